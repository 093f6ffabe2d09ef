import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { preparedRegistry } from "../scripts/images.ts";
import { hostPaths, type LabRecord, labDown, labSwarm, labUp, newLab } from "../src/lab/index.ts";
import { systemClock } from "../src/sys/index.ts";
import { Engine } from "./engine.ts";
import { processesWith, residentMib, until } from "./measure.ts";

/**
 * `npx tsx bench/clients.ts` (three minutes, after `npm run build`): 500 clients of one manager's API at a time, with 500 services in its store:
 * 100 that follow events and 50 that follow a log, a third of them too slowly or not at all, and 350 that ask for lists and single objects.
 * Meanwhile services change. How long `GET /services` takes one more client, the daemon's memory, and whether every reader heard of every change.
 */

const parts = {
  clock: systemClock,
  shoald: [process.execPath, join(import.meta.dirname, "../dist/daemon/main.js")],
};
const say = (line: string) => void process.stderr.write(`clients: ${line}\n`);
const SERVICES = 500;
const SECONDS = 60;
/** Of all that ask, together, and what the writer changes. */
const [QUESTIONS_PER_S, CHANGES_PER_S, PROBES_PER_S] = [60, 20, 5];
const READERS = { events: 70, slow: 15, deaf: 15, logs: 25, deafLogs: 25 };
const ASKERS = 350;

interface Reader {
  readonly count: number;
  readonly bytes: number;
  readonly ended: string;
}
interface Report extends Record<keyof typeof READERS, Reader[]> {
  readonly asked: { readonly answers: number; readonly failed: number; readonly bytes: number };
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const at = (sorted: readonly number[], part: number): string =>
  (sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN).toFixed(1);

const specOf = (name: string, turn: number) => ({
  Name: name,
  Labels: { "com.example.team": "shop", "com.example.turn": String(turn) },
  TaskTemplate: {
    ContainerSpec: {
      Image: "busybox:latest",
      Command: ["sleep", "86400"],
      Env: ["A=1", "B=2", `NAME=${name}`],
    },
    Networks: [{ Target: "front" }],
  },
  Mode: { Replicated: { Replicas: 0 } },
});

/** A bare server with the daemon's precedence, whose every answer is as long as the list: what this machine lets any such server do. */
const BARE = `
  require("node:os").setPriority(-10);
  require("node:fs").writeFileSync("/proc/self/autogroup", "-10");
  const body = Buffer.alloc(Number(process.argv[2]), "x");
  require("node:http").createServer((_, answer) => answer.end(body)).listen(process.argv[1], () => console.log("ready"));
`;

async function startBare(path: string, bytes: number): Promise<ChildProcess> {
  const words = ["-e", BARE, path, String(bytes)];
  const child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"], detached: true });
  await once(child.stdout, "data");
  return child;
}

/** Seconds of CPU time that the process has used (proc(5), stat). */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** 4 MB at once, and then some lines a second, without end. */
const CHATTER = "seq 1 600000; while :; do seq 1 200; sleep 1; done";

async function prepare(engine: Engine): Promise<void> {
  await engine.post("/networks/create", { Name: "front", Driver: "overlay" });
  for (let i = 0; i < SERVICES; i++) await engine.post("/services/create", specOf(`idle-${i}`, 0));
  await engine.post("/services/create", {
    Name: "chatter",
    TaskTemplate: { ContainerSpec: { Image: "busybox:latest", Command: ["sh", "-c", CHATTER] } },
    Mode: { Replicated: { Replicas: 2 } },
  });
  const tasks = () => engine.get<{ Status: { State: string } }[]>('/tasks?filters={"service":["chatter"]}');
  await until(
    "chatter",
    async () => (await tasks()).filter((t) => t.Status.State === "running").length === 2,
  );
}

/** Changes one service after the other while it lasts; how many were changed. */
async function change(engine: Engine, isOver: () => boolean): Promise<number> {
  let turn = 0;
  for (; !isOver(); turn++) {
    const name = `idle-${turn % SERVICES}`;
    const begun = performance.now();
    const { Version } = await engine.get<{ Version: { Index: number } }>(`/services/${name}`);
    await engine.post(`/services/${name}/update?version=${Version.Index}`, specOf(name, turn + 1));
    await sleep(Math.max(0, 1000 / CHANGES_PER_S - (performance.now() - begun)));
  }
  return turn;
}

interface Took {
  readonly ours: number[];
  readonly bare: number[];
}

/** Asks the daemon and the bare server in turn: how long each took, sorted. */
async function probe(engine: Engine, bare: Engine, isOver: () => boolean): Promise<Took> {
  const took: Took = { ours: [], bare: [] };
  const ask = async (one: Engine, times: number[]) => {
    const begun = performance.now();
    await one.text("/services");
    times.push(performance.now() - begun);
    await sleep(Math.max(0, 500 / PROBES_PER_S - (performance.now() - begun)));
  };
  while (!isOver()) {
    await ask(engine, took.ours);
    await ask(bare, took.bare);
  }
  for (const times of [took.ours, took.bare]) times.sort((a, b) => a - b);
  return took;
}

class Load {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(socket: string, isBusy: boolean) {
    const file = join(import.meta.dirname, "client-load.mjs");
    const counts = [...Object.values(READERS), isBusy ? ASKERS : 0].map(String);
    const words = ["-n", "15", process.execPath, file, socket, "chatter", String(QUESTIONS_PER_S), ...counts];
    // It is to be a burden, not to be quick.
    this.#child = spawn("nice", words, { detached: true, stdio: ["pipe", "pipe", "inherit"] });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error("the load has no output");
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  async ready(): Promise<void> {
    await this.#lines.next();
  }

  async report(): Promise<Report> {
    this.#child.stdin?.write("report\n");
    return JSON.parse((await this.#lines.next()).value) as Report;
  }

  async end(): Promise<void> {
    this.#child.stdin?.end();
    await once(this.#child, "exit");
  }
}

function daemonOf(lab: LabRecord): number {
  const { data, run } = hostPaths(lab.name, "1");
  const ours = [...processesWith(`${data}/`), ...processesWith(`${run}/`)];
  const [pid] = processesWith("daemon/main.js").filter((each) => ours.includes(each));
  if (pid === undefined) throw new Error("no daemon");
  return pid;
}

function describe(name: string, readers: readonly Reader[], changes: number): void {
  const all = readers.filter(({ count }) => count === changes).length;
  const ended = readers.filter((each) => each.ended !== "");
  const bytes = readers.reduce((sum, each) => sum + each.bytes, 0);
  const cells = [
    name,
    readers.length,
    all,
    ended.length,
    [...new Set(ended.map((e) => e.ended))].join(),
    bytes,
  ];
  process.stdout.write(`| ${cells.join(" | ")} |\n`);
}

async function measure(lab: LabRecord): Promise<void> {
  const socket = hostPaths(lab.name, "1").apiSocket;
  const engine = new Engine(socket);
  await prepare(engine);
  say("prepared");
  const pid = daemonOf(lab);
  const path = join(hostPaths(lab.name, "1").run, "bare.sock");
  const child = await startBare(path, (await engine.text("/services")).length);
  const bare = new Engine(path);
  const before = residentMib([pid]);
  const alone = await probeFor(engine, bare, 10_000);
  const load = new Load(socket, true);
  await load.ready();
  say("500 clients are there");
  let peak = 0;
  let isOver = false;
  const watch = setInterval(() => {
    peak = Math.max(peak, residentMib([pid]));
  }, 200);
  const cpu = cpuSeconds(pid);
  const work = Promise.all([probe(engine, bare, () => isOver), change(engine, () => isOver)]);
  await sleep(SECONDS * 1000);
  isOver = true;
  const [took, changes] = await work;
  const used = cpuSeconds(pid) - cpu;
  const heard = async () => (await load.report()).events.every((e) => e.count >= changes);
  await until("all events", heard, 20_000).catch(() => undefined);
  const report = await load.report();
  clearInterval(watch);
  await load.end();
  child.kill("SIGKILL");
  await sleep(5_000);
  process.stdout.write(
    "| GET /services, ms | answers | p50 | p99 | worst |\n| --- | --- | --- | --- | --- |\n",
  );
  const rows = {
    alone: alone.ours,
    "a bare server": alone.bare,
    "with 500 clients": took.ours,
    "a bare server beside them": took.bare,
  };
  for (const [what, times] of Object.entries(rows))
    process.stdout.write(
      `| ${[what, times.length, at(times, 0.5), at(times, 0.99), at(times, 1)].join(" | ")} |\n`,
    );
  process.stdout.write(
    `\nCPU time of the daemon: ${used.toFixed(1)} s in ${SECONDS}\n` +
      `memory, MiB: before ${before.toFixed(0)}, most ${peak.toFixed(0)}, after ${residentMib([pid]).toFixed(0)}\n` +
      `${changes} changes; others' questions: ${report.asked.answers} answered, ${report.asked.failed} not\n\n`,
  );
  process.stdout.write(
    "| readers | how many | heard all | ended | how | bytes |\n| --- | --- | --- | --- | --- | --- |\n",
  );
  for (const name of Object.keys(READERS) as (keyof typeof READERS)[]) describe(name, report[name], changes);
}

async function probeFor(engine: Engine, bare: Engine, ms: number): Promise<Took> {
  const end = performance.now() + ms;
  return probe(engine, bare, () => performance.now() > end);
}

async function main(): Promise<void> {
  const images = await preparedRegistry(say);
  const lab = newLab({ name: "clients", hosts: 1, images, uplink: false, settings: {} });
  await labUp(lab, parts);
  // What is measured is the daemon's time, not this program's wait for a CPU.
  setPriority(-15);
  writeFileSync("/proc/self/autogroup", "-15");
  try {
    await labSwarm(lab);
    await measure(lab);
  } finally {
    await labDown(lab, systemClock);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`clients: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
