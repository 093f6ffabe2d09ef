import type { z } from "zod";
import { DEFAULT_UPDATE, type UpdateConfig } from "../model/index.ts";
import { duration, goStruct, maybe, nanosOf, natural, oneOf, ratio } from "./json.ts";

/** `UpdateConfig` and `RollbackConfig`: undefined when the service says nothing. Refusals in swarmkit's words. */
export const updateSchema: z.ZodType<UpdateConfig | undefined> = maybe(
  goStruct({
    Parallelism: natural,
    Delay: duration,
    FailureAction: oneOf(
      (word) => `unrecognized update failure action ${word}`,
      ["pause", "continue", "rollback"],
      DEFAULT_UPDATE.failureAction,
    ),
    Monitor: duration,
    MaxFailureRatio: ratio,
    Order: oneOf(
      (word) => `unrecognized update order ${word}`,
      ["stop-first", "start-first"],
      DEFAULT_UPDATE.order,
    ),
  }),
).transform((wire): UpdateConfig | undefined =>
  wire === undefined
    ? undefined
    : {
        parallelism: wire.Parallelism,
        delayMs: wire.Delay ?? DEFAULT_UPDATE.delayMs,
        failureAction: wire.FailureAction,
        monitorMs: wire.Monitor || DEFAULT_UPDATE.monitorMs,
        maxFailureRatio: wire.MaxFailureRatio,
        order: wire.Order,
      },
);

/** Update rules in Docker's JSON. */
export function updateToWire(config: UpdateConfig): Record<string, unknown> {
  return {
    Parallelism: config.parallelism,
    ...(config.delayMs !== 0 && { Delay: nanosOf(config.delayMs) }),
    FailureAction: config.failureAction,
    Monitor: nanosOf(config.monitorMs),
    MaxFailureRatio: config.maxFailureRatio,
    Order: config.order,
  };
}
