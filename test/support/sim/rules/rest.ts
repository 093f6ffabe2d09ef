import { planCluster } from "../../../../src/manager/index.ts";
import type { Change } from "../../../../src/model/index.ts";
import type { SimCluster, Watcher } from "../sim-cluster.ts";
import { leaks } from "./numbers.ts";

/** How often a quiet world is asked whether anything is left to decide. */
const LOOK_MS = 30_000;
/** A leader that could work undisturbed for so long has done what there is. */
const QUIET_MS = 3_000;
/** What is due only just now, is not yet done. */
const SLACK_MS = 1_500;

/** Deciders come to rest: once the leader has written what it decided, deciding again says nothing, and no number leaks. */
export function decidersRest(world: SimCluster): Watcher {
  let lastCommit = 0;
  let calmSince = 0;
  const isQuiet = () => {
    const leader = world.office.leader;
    const isFree = leader?.isReady && !leader.process.isPaused && !isTroubled(leader.backend.trouble);
    if (!isFree) calmSince = world.clock.now();
    const since = Math.max(lastCommit, calmSince, world.clocksSetAt + QUIET_MS);
    return world.clock.now() - since >= QUIET_MS;
  };
  const look = () => {
    world.clock.after(LOOK_MS, look);
    if (!isQuiet()) return;
    const left = undecided(world);
    if (left !== undefined) world.breaks(`the leader rests, but there is something to decide: ${left}`);
    for (const leak of leaks(world)) world.breaks(leak);
  };
  world.clock.after(LOOK_MS, look);
  return {
    onChanges() {
      lastCommit = world.clock.now();
    },
    onLeader() {
      calmSince = world.clock.now();
    },
    onSaid() {
      calmSince = world.clock.now();
    },
  };
}

function isTroubled(trouble: { isAway: boolean; conflicts: number; lostAnswers: number }): boolean {
  return trouble.isAway || trouble.lostAnswers > 0;
}

/** What a planner that knows only the store would do now, in words; undefined when nothing. */
function undecided(world: SimCluster): string | undefined {
  const leader = world.office.leader;
  if (leader === undefined) return undefined;
  let ids = 0;
  const now = leader.process.clock.now() - SLACK_MS;
  const { changes, because } = planCluster(world.view, { now, newId: () => `fresh-${++ids}` });
  const [first] = changes;
  return first === undefined
    ? undefined
    : `${because}: ${changes.length} changes, the first of ${told(first)}`;
}

function told(change: Change): string {
  if (change.op === "delete") return `${change.kind} ${change.id} (to be deleted)`;
  return `${change.kind} ${change.object.id}: ${JSON.stringify(change.object).slice(0, 300)}`;
}
