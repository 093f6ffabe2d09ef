import { z } from "zod";
import type { ServiceMode } from "../model/index.ts";
import { goStruct, maybe, natural } from "./json.ts";

const wire = goStruct({
  Replicated: maybe(goStruct({ Replicas: maybe(natural) })),
  Global: maybe(goStruct({})),
  ReplicatedJob: maybe(goStruct({ MaxConcurrent: maybe(natural), TotalCompletions: maybe(natural) })),
  GlobalJob: maybe(goStruct({})),
});

type Wire = z.infer<typeof wire>;

/** `Mode`: at most one of four; a job without numbers runs once, and one without a total runs as many as it may at once. */
export const modeSchema: z.ZodType<ServiceMode> = maybe(wire).transform((mode, context): ServiceMode => {
  const chosen = Object.values(mode ?? {}).filter((value) => value !== undefined);
  if (chosen.length <= 1) return modeOf(mode);
  context.issues.push({ code: "custom", message: "must specify only one service mode", input: mode });
  return z.NEVER;
});

function modeOf(mode: Wire | undefined): ServiceMode {
  if (mode?.Global !== undefined) return { kind: "global" };
  if (mode?.GlobalJob !== undefined) return { kind: "global-job" };
  if (mode?.ReplicatedJob === undefined)
    return { kind: "replicated", replicas: mode?.Replicated?.Replicas ?? 1 };
  const { MaxConcurrent: maxConcurrent = 1, TotalCompletions: totalCompletions = maxConcurrent } =
    mode.ReplicatedJob;
  return { kind: "replicated-job", maxConcurrent, totalCompletions };
}

/** A mode in Docker's JSON. */
export function modeToWire(mode: ServiceMode): Record<string, unknown> {
  switch (mode.kind) {
    case "replicated":
      return { Replicated: { Replicas: mode.replicas } };
    case "global":
      return { Global: {} };
    case "replicated-job":
      return {
        ReplicatedJob: { MaxConcurrent: mode.maxConcurrent, TotalCompletions: mode.totalCompletions },
      };
    case "global-job":
      return { GlobalJob: {} };
  }
}
