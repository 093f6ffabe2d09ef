import type { SimCluster, Watcher } from "../sim-cluster.ts";

const MINUTE_MS = 60_000;
/** More commits in a minute than the busiest minute of a small cluster needs by far. */
const MANY = 1_000;

/** Nobody chases anybody without pause. */
export function nobodySpins(world: SimCluster): Watcher {
  let since = 0;
  let count = 0;
  return {
    onChanges() {
      if (world.age - since > MINUTE_MS) [since, count] = [world.age, 0];
      count += 1;
      if (count > MANY) world.breaks(`more than ${MANY} commits in a minute`);
    },
  };
}
