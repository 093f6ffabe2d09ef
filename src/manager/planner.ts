import { planAllocation } from "../allocator/index.ts";
import type { Instant } from "../lib/index.ts";
import type { Decision, Plan, Scope } from "../model/index.ts";
import { planService, reapService } from "../orchestrator/index.ts";
import { planSchedule } from "../scheduler/index.ts";
import { Draft, everythingOf, type View } from "../store/index.ts";
import { Marks } from "./marks.ts";

/** What one service gives to decide; the service itself may be gone. */
type ServiceDecider = (view: View, serviceId: string, decision: Decision) => Plan;
/** What the scope's services and nodes together give to decide. */
type Decider = (view: View, decision: Decision, scope: Scope) => Plan;

/** The leader's deciders in order: each sees what the ones before it decided. */
const SERVICE_DECIDERS: readonly ServiceDecider[] = [reapService, planLiving];
const DECIDERS: readonly Decider[] = [planAllocation, planSchedule];

/** Rounds after which a plan that still grows is cut off; the next one goes on. */
const MAX_ROUNDS = 8;
/** A plan with so many changes is written before more is decided: one commit, and a short stop of the event loop. */
const ENOUGH_CHANGES = 100;

/** A plan for a part of the cluster. */
export interface ScopedPlan extends Plan {
  /** When each service that was looked at must be looked at again, though nothing changes. */
  readonly due: ReadonlyMap<string, Instant | undefined>;
  /** What must be looked at once this is written, beside what its changes mark. */
  readonly left: Scope;
}

/** Everything the leader decides, as one plan. */
export function planCluster(view: View, decision: Decision): Plan {
  const { changes, because, due } = planScope(view, everythingOf(view), decision);
  const again = earliest(due.values());
  return { changes, because, ...(again !== undefined && { again }) };
}

/**
 * What the leader decides for the scope: a service's tasks are made, given addresses and placed in one commit. The
 * deciders run over a draft with their own changes on it, and again over what these mark, until none has more to say.
 */
export function planScope(view: View, scope: Scope, decision: Decision): ScopedPlan {
  const draft = new Draft(view);
  const due = new Map<string, Instant | undefined>();
  const because = new Set<string>();
  let marks = new Marks();
  marks.add(scope);
  for (let round = 0; round < MAX_ROUNDS && !marks.isEmpty && draft.size < ENOUGH_CHANGES; round++) {
    const next = new Marks();
    const write = (plan: Plan): Plan => {
      if (plan.changes.length > 0) because.add(plan.because);
      for (const done of draft.write(plan.changes)) next.note(draft, done);
      return plan;
    };
    for (const id of [...marks.services].sort()) {
      const plans = SERVICE_DECIDERS.map((decide) => write(decide(draft, id, decision)));
      due.set(id, earliest(plans.map((plan) => plan.again)));
    }
    for (const decide of DECIDERS) {
      marks.add(next);
      write(decide(draft, decision, marks));
    }
    marks = next;
  }
  return { changes: draft.changes, because: [...because].join("; "), due, left: marks };
}

function planLiving(view: View, serviceId: string, decision: Decision): Plan {
  const service = view.get("service", serviceId);
  return service === undefined ? { changes: [], because: "" } : planService(view, service, decision);
}

export function earliest(instants: Iterable<Instant | undefined>): Instant | undefined {
  let first: Instant | undefined;
  for (const instant of instants) {
    if (instant !== undefined) first = Math.min(first ?? instant, instant);
  }
  return first;
}
