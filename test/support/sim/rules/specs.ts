import { equal } from "../../../../src/lib/index.ts";
import type { Kinds, Service } from "../../../../src/model/index.ts";
import type { ObjectChange } from "../../../../src/store/index.ts";
import type { SimCluster, Watcher } from "../sim-cluster.ts";

type WithSpec = Extract<Kinds[keyof Kinds], { readonly spec: unknown }>;

/** Specs are the user's: no commit changes one but his own, and an automatic rollback that he asked for. */
export function specsAreTheUsers(world: SimCluster): Watcher {
  const isWished = ({ kind }: ObjectChange, after: WithSpec) =>
    [...world.wishes].some(
      (wish) => wish.kind === kind && wish.id === after.id && equal(wish.spec, after.spec),
    );
  return {
    onChanges(changes) {
      for (const change of changes) {
        const [before, after] = [change.before as WithSpec | undefined, change.after as WithSpec | undefined];
        if (change.kind === "task" || before === undefined || after === undefined) continue;
        if (equal(before.spec, after.spec) || isWished(change, after)) continue;
        if (change.kind === "service" && isRollback(before as Service, after as Service)) continue;
        world.breaks(`the system wrote the spec of ${change.kind} ${nameOf(after)}`);
      }
    },
  };
}

function isRollback(before: Service, after: Service): boolean {
  return (
    before.spec.update?.failureAction === "rollback" &&
    before.updateStatus?.state === "updating" &&
    // It may begin and be over in one plan, when nothing has to go back.
    after.updateStatus?.state.startsWith("rollback_") === true &&
    equal(after.spec, before.previousSpec)
  );
}

function nameOf({ spec, id }: WithSpec): string {
  return (spec as { readonly name?: string }).name ?? id;
}
