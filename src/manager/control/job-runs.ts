import type { Instant } from "../../lib/index.ts";
import { isJob, type Service, type ServiceSpec } from "../../model/index.ts";

/** A new job's first run; nothing for a service that runs for ever. */
export function firstRun({ mode }: ServiceSpec, now: Instant): Pick<Service, "job"> {
  return isJob(mode.kind) ? { job: { iteration: 0, lastExecution: now } } : {};
}

/**
 * The service as a user's update leaves it: every update of a job, whatever it changed, runs it anew (swarmkit
 * controlapi/service.go). A job has no rolling update, so none that could be under way.
 */
export function nextRun(service: Service, now: Instant): Service {
  if (!isJob(service.spec.mode.kind)) return service;
  const { updateStatus: _, ...rest } = service;
  return { ...rest, job: { iteration: (service.job?.iteration ?? 0) + 1, lastExecution: now } };
}
