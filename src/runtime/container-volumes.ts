import { mkdir, rm, writeFile } from "node:fs/promises";
import { type Log, messageOf } from "../lib/index.ts";
import { execOk } from "../sys/index.ts";
import type { ResolvedMount, Volumes } from "./container.ts";
import type { ContainerEntry } from "./container-entry.ts";
import { subpathAt } from "./container-folder.ts";
import { unmountBelow } from "./mount-points.ts";
import { openBeneath, pathOf } from "./safe-path.ts";

type Holding = Pick<ContainerEntry, "id" | "record" | "folder">;

/**
 * Runs `make`, which makes a container's process, while its volumes are mounted and the parts of them that it gets have paths of their
 * own. The volumes stay mounted until `releaseVolumes`; the process has what it needs of the paths.
 */
export async function withVolumes<T>(entry: Holding, volumes: Volumes, make: () => Promise<T>): Promise<T> {
  try {
    for (const name of volumesOf(entry)) await volumes.hold(name, entry.id);
    return await withSubpaths(entry, make);
  } catch (error) {
    for (const name of volumesOf(entry)) await volumes.release(name, entry.id).catch(() => {});
    throw error;
  }
}

/** Its process is gone. */
export async function releaseVolumes(entry: Holding, volumes: Volumes, log: Log): Promise<void> {
  for (const name of volumesOf(entry)) {
    await volumes.release(name, entry.id).catch((error: unknown) => {
      log.warn("volume not unmounted", { volume: name, error: messageOf(error) });
    });
  }
}

/** After a restart: who has which volume now. */
export function holdersOf(entries: readonly ContainerEntry[]): ReadonlyMap<string, ReadonlySet<string>> {
  const holders = new Map<string, Set<string>>();
  for (const entry of entries.filter(({ hasTask }) => hasTask)) {
    for (const name of volumesOf(entry)) holders.set(name, (holders.get(name) ?? new Set()).add(entry.id));
  }
  return holders;
}

async function withSubpaths<T>({ record, folder }: Holding, make: () => Promise<T>): Promise<T> {
  const parts = record.mounts.flatMap((mount, i) =>
    mount.subpath === undefined ? [] : [{ mount, subpath: mount.subpath, at: subpathAt(folder, i) }],
  );
  if (parts.length === 0) return make();
  const clear = async () => {
    await unmountBelow(folder.subpaths);
    await rm(folder.subpaths, { recursive: true, force: true });
  };
  await clear();
  try {
    await mkdir(folder.subpaths, { recursive: true, mode: 0o700 });
    for (const { mount, subpath, at } of parts) await bindPart(mount, subpath, at);
    return await make();
  } finally {
    await clear();
  }
}

/** A path that leads to what was found, whatever becomes of the way to it. */
async function bindPart({ source }: ResolvedMount, subpath: string, at: string): Promise<void> {
  const part = await openBeneath(source, subpath);
  try {
    if ((await part.stat()).isDirectory()) await mkdir(at);
    else await writeFile(at, "", { flag: "wx" });
    await execOk(["mount", "-i", "-c", "--bind", pathOf(part), at]);
  } finally {
    await part.close();
  }
}

function volumesOf({ record }: Pick<Holding, "record">): string[] {
  return [...new Set(record.mounts.flatMap(({ type, name }) => (type === "volume" && name ? [name] : [])))];
}
