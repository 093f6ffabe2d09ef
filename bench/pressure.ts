import { createServer } from "node:http";
import { join } from "node:path";
import { preparedRegistry } from "../scripts/images.ts";
import { hostPaths, labDown, labSwarm, labUp, newLab } from "../src/lab/index.ts";
import { systemClock } from "../src/sys/index.ts";
import { Engine } from "./engine.ts";

/**
 * `npx tsx bench/pressure.ts`: how quickly the API answers while a service of 50 replicas crashes without end and another's
 * image is nowhere, and how quickly a bare HTTP server answers that is asked in turn. A lab of three hosts on this machine; the
 * figures are milliseconds.
 */

const parts = {
  clock: systemClock,
  shoald: [process.execPath, join(import.meta.dirname, "../dist/daemon/main.js")],
};
const say = (line: string) => void process.stderr.write(`pressure: ${line}\n`);
const LOOK_MS = 30_000;
/** Between two questions, as from a person's tools and a monitor or two. */
const PAUSE_MS = 20;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const specOf = (name: string, replicas: number, image: string, command: string[]): object => ({
  Name: name,
  TaskTemplate: {
    ContainerSpec: { Image: image, Command: command },
    RestartPolicy: { Condition: "any", Delay: 0 },
  },
  Mode: { Replicated: { Replicas: replicas } },
});

const PATHS = ["/services?status=true", "/tasks", "/nodes", "/info", "/services/web"];
const BARE = "a bare server";

/** Asks for one thing after another for a while: how long each answer took, sorted, by what was asked. */
async function ask(engine: Engine, bare: Engine): Promise<Map<string, number[]>> {
  const questions = [...PATHS, BARE];
  const took = new Map<string, number[]>(questions.map((question) => [question, []]));
  const end = performance.now() + LOOK_MS;
  for (let i = 0; performance.now() < end; i++) {
    const question = questions[i % questions.length] ?? "";
    const begun = performance.now();
    await (question === BARE ? bare.get("/") : engine.get(question));
    took.get(question)?.push(performance.now() - begun);
    await sleep(PAUSE_MS);
  }
  for (const times of took.values()) times.sort((a, b) => a - b);
  return took;
}

const at = (sorted: readonly number[], part: number): string =>
  (sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN).toFixed(1);

function print(when: string, took: ReadonlyMap<string, readonly number[]>): void {
  const all = PATHS.flatMap((path) => took.get(path) ?? []).sort((a, b) => a - b);
  for (const [path, times] of [...took, ["all of the API", all] as const]) {
    const cells = [when, path, times.length, at(times, 0.5), at(times, 0.99), at(times, 1)];
    process.stdout.write(`| ${cells.join(" | ")} |\n`);
  }
}

async function main(): Promise<void> {
  const images = await preparedRegistry(say);
  const lab = newLab({ name: "pressure", hosts: 3, images, uplink: false, settings: {} });
  const server = createServer((_, answer) => answer.end("[]"));
  await labUp(lab, parts);
  try {
    await labSwarm(lab);
    const path = join(hostPaths(lab.name, "1").run, "bare.sock");
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const bare = new Engine(path);
    const engine = new Engine(hostPaths(lab.name, "1").apiSocket);
    const sleeps = ["sleep", "86400"];
    await engine.post("/services/create", specOf("web", 3, "busybox:latest", sleeps));
    await sleep(5_000);
    process.stdout.write(
      "| when | question | times | p50 | p99 | worst |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    print("at rest", await ask(engine, bare));
    await engine.post("/services/create", specOf("crash", 50, "busybox:latest", ["sh", "-c", "exit 1"]));
    await engine.post("/services/create", specOf("nowhere", 6, "shoal/nowhere:1", sleeps));
    print("first 30 s", await ask(engine, bare));
    print("30 s later", await ask(engine, bare));
  } finally {
    server.close();
    await labDown(lab, systemClock);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`pressure: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
