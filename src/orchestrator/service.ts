import type { Decision, Plan, Service, ServiceMode } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { planGlobal } from "./global.ts";
import { planGlobalJob, planReplicatedJob } from "./jobs.ts";
import { planReplicated } from "./replicated.ts";

type Planner = (view: View, service: Service, decision: Decision) => Plan;

const PLANNERS: { readonly [K in ServiceMode["kind"]]: Planner } = {
  replicated: planReplicated,
  global: planGlobal,
  "replicated-job": planReplicatedJob,
  "global-job": planGlobalJob,
};

/** What must change so that a service has the tasks that its words ask for. */
export function planService(view: View, service: Service, decision: Decision): Plan {
  return PLANNERS[service.spec.mode.kind](view, service, decision);
}
