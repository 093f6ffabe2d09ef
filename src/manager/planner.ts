import { planAllocation } from "../allocator/index.ts";
import type { Instant } from "../lib/index.ts";
import type { Change, Decision, Plan } from "../model/index.ts";
import { planReap, planService } from "../orchestrator/index.ts";
import { planSchedule } from "../scheduler/index.ts";
import { type View, withChanges } from "../store/index.ts";

type Decider = (view: View, decision: Decision) => Plan;

/** The leader's deciders in order: each sees what the ones before it decided. */
const DECIDERS: readonly Decider[] = [planReap, planServices, planAllocation, planSchedule];

/** Rounds after which a plan that still grows is cut off; the next tick goes on. */
const MAX_ROUNDS = 8;

/**
 * Everything the leader decides, as one plan: a service's tasks are made, given addresses and placed in one commit.
 * The deciders run over the view with their own changes laid on top until none has more to say.
 */
export function planCluster(view: View, decision: Decision): Plan {
  const merged = new Map<string, Change>();
  let layered = view;
  let again: Instant | undefined;
  const because: string[] = [];
  for (let round = 0; round < MAX_ROUNDS; round++) {
    let grew = false;
    again = undefined;
    for (const decide of DECIDERS) {
      const plan = decide(layered, decision);
      if (plan.again !== undefined) again = Math.min(again ?? plan.again, plan.again);
      if (plan.changes.length === 0) continue;
      grew = true;
      because.push(plan.because);
      for (const change of plan.changes) mergeChange(merged, change);
      layered = withChanges(view, [...merged.values()]);
    }
    if (!grew) break;
  }
  return {
    changes: [...merged.values()],
    ...(again !== undefined && { again }),
    because: because.join("; "),
  };
}

/** The later word on an object wins; an object made and removed in one plan never was. */
function mergeChange(merged: Map<string, Change>, change: Change): void {
  const id = change.op === "put" ? change.object.id : change.id;
  const key = `${change.kind}/${id}`;
  if (change.op === "delete" && change.version === 0) merged.delete(key);
  else merged.set(key, change);
}

function planServices(view: View, decision: Decision): Plan {
  const plans = [...view.all("service")].map((service) => planService(view, service, decision));
  const agains = plans.flatMap((plan) => (plan.again === undefined ? [] : [plan.again]));
  const active = plans.filter((plan) => plan.changes.length > 0);
  return {
    changes: active.flatMap((plan) => plan.changes),
    ...(agains.length > 0 && { again: Math.min(...agains) }),
    because: active.map((plan) => plan.because).join("; "),
  };
}
