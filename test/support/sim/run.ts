import { numbersAreGivenOnce } from "./rules/numbers.ts";
import { differences } from "./rules/outcome.ts";
import { nobodySpins } from "./rules/pace.ts";
import { decidersRest } from "./rules/rest.ts";
import { restartsWait } from "./rules/restarts.ts";
import { slotsAreSingle } from "./rules/slots.ts";
import { specsAreTheUsers } from "./rules/specs.ts";
import { tasksGoForward } from "./rules/tasks.ts";
import type { History } from "./scenario.ts";
import { type Mutant, SimCluster, type Watcher } from "./sim-cluster.ts";
import { doStep, heal } from "./steps.ts";

/** What holds at every instant of every history. */
export const RULES: readonly ((world: SimCluster) => Watcher)[] = [
  specsAreTheUsers,
  tasksGoForward,
  numbersAreGivenOnce,
  slotsAreSingle,
  restartsWait,
  nobodySpins,
  decidersRest,
];

/** How long a healed cluster may take to run what is asked: crash loops wait 5 min, an update gives up after 10. */
const SETTLE_MS = 25 * 60_000;
const LOOK_MS = 10_000;

export interface Outcome {
  /** The first thing that must never be, or undefined. */
  readonly broken: string | undefined;
  /** It was broken in the history, not after it, when all was healed. */
  readonly brokeInIt: boolean;
  /** How long the world lived, in milliseconds. */
  readonly livedMs: number;
  readonly timers: number;
}

/** Lives through a history under all rules; then everything is healed, and what runs must come to be what is asked. */
export async function survive(
  history: History,
  mutant: Mutant = {},
  watchers: readonly ((world: SimCluster) => Watcher)[] = [],
  toTheEnd = true,
): Promise<Outcome> {
  const world = await SimCluster.open(history.world, mutant, [...RULES, ...watchers]);
  for (const { atMs, text } of history.steps) world.clock.after(atMs - world.age, () => doStep(world, text));
  await world.live(history.forMs - world.age);
  const brokeInIt = world.broken.length > 0;
  if (!brokeInIt && toTheEnd) await settle(world);
  return { broken: world.broken[0], brokeInIt, livedMs: world.age, timers: world.clock.fired };
}

async function settle(world: SimCluster): Promise<void> {
  world.say("everything is healed");
  heal(world);
  const end = world.age + SETTLE_MS;
  let left: string[] = [];
  while (world.age < end && world.broken.length === 0) {
    await world.live(LOOK_MS);
    left = await differences(world);
    if (left.length === 0) return;
  }
  if (world.broken.length === 0) world.breaks(`25 minutes after all faults: ${left.join("; ")}`);
}
