import { Fault } from "../lib/index.ts";
import type { RunChange } from "../model/index.ts";
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
