import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { explain, type Find, HISTORY_HOURS, mutantNamed, trySeed } from "./explore.ts";
import { survive } from "./run.ts";
import { formatScenario, parseScenario } from "./scenario.ts";
import { Transcript } from "./transcript.ts";

const HELP = `npm run sim -- [--seed S] [--hours H] [--mutant NAME] [--workers N]   explore histories from seed S on, H cluster-hours in all
npm run sim -- --replay FILE [--mutant NAME]                        live through a scenario's file, and tell it

Mutants: skip-version-check, leak-address, no-restart-delay.`;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    hours: { type: "string", default: "20" },
    mutant: { type: "string" },
    workers: { type: "string", default: String(Math.min(2, availableParallelism())) },
    replay: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) console.log(HELP);
else if (process.send !== undefined) work();
else if (values.replay !== undefined) await replay(values.replay);
else await explore();

/** A find, and the processor time that it took. */
interface Worked extends Find {
  readonly cpuMs: number;
}

/** A worker: lives through every seed it is told. */
function work(): void {
  const mutant = mutantNamed(values.mutant);
  process.on("message", (seed: number) => {
    const before = process.cpuUsage();
    void trySeed(seed, mutant).then((find) => {
      const { user, system } = process.cpuUsage(before);
      process.send?.({ ...find, cpuMs: (user + system) / 1_000 } satisfies Worked);
    });
  });
}

async function explore(): Promise<void> {
  const mutant = mutantNamed(values.mutant);
  const first = Number(values.seed);
  const count = Math.ceil(Number(values.hours) / HISTORY_HOURS);
  const started = performance.now();
  const finds = await share(first, count, Number(values.workers));
  const hours = finds.reduce((sum, { livedMs }) => sum + livedMs, 0) / 3_600_000;
  const seconds = (performance.now() - started) / 1_000;
  const cpu = finds.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / 1_000;
  const took = `${seconds.toFixed(1)} s (${cpu.toFixed(1)} s of processor time)`;
  console.log(`${finds.length} histories, ${hours.toFixed(1)} cluster-hours in ${took}`);
  const broken = finds.filter((find) => find.broken !== undefined).sort((a, b) => a.seed - b.seed);
  const [worst] = broken.sort((a, b) => a.livedMs - b.livedMs);
  if (worst === undefined) return;
  console.log(`\nThe shortest history found that breaks what seed ${worst.seed} does:\n`);
  console.log(await explain(worst.seed, mutant));
  process.exitCode = 1;
}

/** Shares seeds out among worker processes, one at a time; with a mutant the first find is enough. */
function share(first: number, count: number, workers: number): Promise<Worked[]> {
  return new Promise((resolve, reject) => {
    const finds: Worked[] = [];
    let next = first;
    let isOver = false;
    const hands: ChildProcess[] = [];
    const give = (hand: ChildProcess) => {
      if (next < first + count && !isOver) hand.send(next++);
      else hand.disconnect();
    };
    const take = (hand: ChildProcess, find: Worked) => {
      finds.push(find);
      if (find.broken !== undefined) console.log(`seed ${find.seed}: ${find.broken}`);
      if (find.broken !== undefined && values.mutant !== undefined) isOver = true;
      give(hand);
    };
    let living = Math.max(1, Math.min(workers, count));
    for (let i = living; i > 0; i--) {
      const hand = fork(import.meta.filename, process.argv.slice(2), { execArgv: process.execArgv });
      hands.push(hand);
      hand.on("message", (find: Worked) => take(hand, find));
      hand.on("error", reject);
      hand.on("exit", (code) => {
        if (code !== 0) reject(new Error(`a worker ended with ${code}`));
        living -= 1;
        if (living === 0) resolve(finds);
      });
      give(hand);
    }
  });
}

async function replay(file: string): Promise<void> {
  const scenario = parseScenario(readFileSync(file, "utf8"));
  let transcript: Transcript | undefined;
  const { broken } = await survive(scenario.history, mutantNamed(values.mutant), [
    (world) => {
      transcript = new Transcript(world);
      return transcript;
    },
  ]);
  console.log(formatScenario(scenario, transcript?.lines ?? []));
  console.log(broken === undefined ? "no rule is broken" : `broken: ${broken}`);
  if (broken !== undefined) process.exitCode = 1;
}
