import type { z } from "zod";
import type { HealthCheck } from "../model/index.ts";
import { durationOrZero, goStruct, maybe, nanosOf, omitEmpty, texts, whole } from "./json.ts";

/** `Healthcheck`: undefined when absent. What its zeros mean is the image's to say. */
export const healthSchema: z.ZodType<HealthCheck | undefined> = maybe(
  goStruct({
    Test: texts,
    Interval: durationOrZero,
    Timeout: durationOrZero,
    StartPeriod: durationOrZero,
    StartInterval: durationOrZero,
    Retries: whole,
  }).transform(
    (wire): HealthCheck => ({
      test: wire.Test,
      intervalMs: wire.Interval,
      timeoutMs: wire.Timeout,
      startPeriodMs: wire.StartPeriod,
      startIntervalMs: wire.StartInterval,
      retries: wire.Retries,
    }),
  ),
);

/** A health check in Docker's JSON. */
export function healthToWire(health: HealthCheck): Record<string, unknown> {
  return omitEmpty({
    Test: health.test,
    Interval: nanosOf(health.intervalMs),
    Timeout: nanosOf(health.timeoutMs),
    StartPeriod: nanosOf(health.startPeriodMs),
    StartInterval: nanosOf(health.startIntervalMs),
    Retries: health.retries,
  });
}
