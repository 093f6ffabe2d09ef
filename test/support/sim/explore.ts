import { MUTANTS } from "./mutants.ts";
import { randomHistory } from "./random-history.ts";
import { survive } from "./run.ts";
import { formatScenario, type History } from "./scenario.ts";
import { type Bounds, cutAfter, shrink } from "./shrink.ts";
import type { Mutant } from "./sim-cluster.ts";
import { Transcript } from "./transcript.ts";

/** What a seed's history came to. */
export interface Find {
  readonly seed: number;
  readonly livedMs: number;
  /** What it broke, when it did. */
  readonly broken?: string;
}

/** Hours of one history: a cluster that has lived longer is hardly in other states. */
export const HISTORY_HOURS = 2;

export function mutantNamed(name: string | undefined): Mutant {
  const mutant = name === undefined ? {} : MUTANTS[name];
  if (mutant === undefined)
    throw new Error(`no mutant ${name}: there are ${Object.keys(MUTANTS).join(", ")}`);
  return mutant;
}

/** Lives through the history of a seed. */
export async function trySeed(
  seed: number,
  mutant: Mutant = {},
  hours: number = HISTORY_HOURS,
): Promise<Find> {
  const { broken, livedMs } = await survive(randomHistory(seed, hours), mutant);
  return { seed, livedMs, ...(broken !== undefined && { broken }) };
}

/** Lines at the end of a transcript that a report shows. */
const SHOWN = 60;

/** The shortest history found that breaks what the seed's does, as the text of a scenario. */
export async function explain(
  seed: number,
  mutant: Mutant = {},
  hours: number = HISTORY_HOURS,
  bounds?: Bounds,
): Promise<string> {
  const history = randomHistory(seed, hours);
  const { broken, livedMs, brokeInIt } = await survive(history, mutant);
  if (broken === undefined) return `seed ${seed} breaks nothing`;
  const verdict = (shorter: History) => survive(shorter, mutant, [], !brokeInIt);
  const shortest = await shrink({ history: cutAfter(history, livedMs), broken }, verdict, bounds);
  let transcript: Transcript | undefined;
  await survive(shortest.history, mutant, [
    (world) => {
      transcript = new Transcript(world);
      return transcript;
    },
  ]);
  const about = [`seed ${seed} breaks a rule:`, shortest.broken];
  return formatScenario({ about, history: shortest.history }, transcript?.lines.slice(-SHOWN) ?? []);
}
