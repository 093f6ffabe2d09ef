import type { GatewayLayout } from "./addresses.ts";
import type { NetworkFacts } from "./facts.ts";
import type { Survey } from "./survey.ts";
import type { TaskPlan } from "./task-plan.ts";

/** What the parts of the host's own namespace are made from. */
export interface HostPlan {
  readonly facts: NetworkFacts;
  readonly tasks: readonly TaskPlan[];
  readonly ingress: Survey | undefined;
  readonly gateway: GatewayLayout;
  readonly resolverPort: number;
  readonly gatewayMtu?: number;
}
