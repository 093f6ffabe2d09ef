import { Fault } from "../lib/index.ts";
import { peerOf, type RunChange, type RunSpec } from "../model/index.ts";
import type { ContainerState } from "../runtime/index.ts";
import type { RunRecord } from "./run-record.ts";

/** Throws in Docker's words why a container cannot be changed so; `record` is undefined for one of a task. */
export function checkChange(
  { restart, limits }: Pick<RunChange, "limits"> & { readonly restart: RunChange["restart"] },
  record: RunRecord | undefined,
  { id, config: { resources } }: ContainerState,
): void {
  if (restart !== undefined && record === undefined)
    throw new Fault("conflict", `cannot update container ${id}: it belongs to a task`);
  if (restart !== undefined && restart.name !== "no" && record?.spec.autoRemove === true)
    throw new Fault(
      "invalid",
      "Restart policy cannot be updated because AutoRemove is enabled for the container",
    );
  const { memoryBytes = 0 } = { ...resources, ...limits };
  const { memorySwapBytes: swap = -1 } = { ...resources, ...limits };
  if (swap > 0 && memoryBytes > swap)
    throw new Fault(
      "conflict",
      "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    );
}

/** Throws in Docker's words when its network is another's, or none, so that it cannot be on more (moby runconfig/errors.go). */
export function checkConnect({ networkMode }: Pick<RunSpec, "networkMode">): void {
  if (networkMode === "none")
    throw new Fault(
      "invalid",
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
  if (networkMode !== "host" && peerOf(networkMode) === undefined) return;
  throw new Fault(
    "invalid",
    "container sharing network namespace with another container or host cannot be connected to any other network",
  );
}
