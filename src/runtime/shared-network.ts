import { mkdir, rm, symlink } from "node:fs/promises";
import type { ContainerConfig, ContainerState } from "./container.ts";
import type { ContainerEntry } from "./container-entry.ts";
import { noSuchContainer, peerNotRunning } from "./container-faults.ts";
import type { ContainerFolder } from "./container-folder.ts";
import type { ContainerKeeper } from "./container-keeper.ts";

/** Faults in Docker's words: "not-found" when the container whose network is to be shared is gone, "conflict" when it does not run. */
export function requirePeer<Peer extends Pick<ContainerState, "status">>(
  id: string,
  { peer, name }: { readonly peer: Peer | undefined; readonly name: string | undefined },
): Peer {
  if (peer === undefined) throw noSuchContainer(id);
  if (peer.status === "running") return peer;
  throw peerNotRunning(name ?? id, peer.status === "stopped" ? "exited" : peer.status);
}

/**
 * Leads the container's path of a network namespace to that of the container whose network it shares, before each start: what that has
 * changes with each start of its own. Faults as of `requirePeer`.
 */
export async function joinNetwork(
  keeper: ContainerKeeper,
  { record, folder }: ContainerEntry,
): Promise<void> {
  const { networkOf } = record.config;
  if (networkOf === undefined) return;
  const known = keeper.get(networkOf);
  const peer = requirePeer(networkOf, { peer: known, name: known?.record.config.name });
  await mkdir(folder.runDir, { recursive: true, mode: 0o700 });
  await rm(folder.netns, { force: true });
  await symlink(`/proc/${peer.pid}/ns/net`, folder.netns);
}

/** Whose files of names a container has when it shares a network: of the first that does not itself; undefined for its own. */
export function namesFolderOf(
  keeper: Pick<ContainerKeeper, "require">,
  { networkOf }: ContainerConfig,
): ContainerFolder | undefined {
  if (networkOf === undefined) return undefined;
  const { record, folder } = keeper.require(networkOf);
  return namesFolderOf(keeper, record.config) ?? folder;
}
