import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { preparedRegistry } from "../scripts/images.ts";
import {
  docker,
  hostPaths,
  type LabRecord,
  labDown,
  labSwarm,
  labUp,
  newLab,
  onHost,
} from "../src/lab/index.ts";
import { execOk, systemClock } from "../src/sys/index.ts";
import { Engine } from "./engine.ts";
import { median, until } from "./measure.ts";

/**
 * `npx tsx bench/dns.ts` (a minute and a half, after `npm run build`): how quickly a node's resolver answers a program in a container's
 * network, at its address there (127.0.0.11): 20,000 questions a second, evenly, with the daemon at rest and with its main thread kept busy
 * by its API; and as many as it can. Beside it, in the same run, a bare echo server of Node's on the same host, asked from
 * the same place: what this machine lets any such server do.
 */

const parts = {
  clock: systemClock,
  shoald: [process.execPath, join(import.meta.dirname, "../dist/daemon/main.js")],
};
const CLIENT = join(import.meta.dirname, "dns-client.mjs");
const RATE = 20_000;
const SECONDS = 2;
const RUNS = 3;
/** Services without tasks: a list of them is what keeps the API busy. */
const SERVICES = 200;
const ECHO_PORT = 5300;
/** As a daemon it takes the precedence that shoald takes. */
const ECHO = `
  require("node:os").setPriority(-10);
  require("node:fs").writeFileSync("/proc/self/autogroup", "-10");
  const socket = require("node:dgram").createSocket("udp4");
  socket.on("message", (message, { address, port }) => socket.send(message, port, address));
  socket.bind(${ECHO_PORT}, () => console.log("ready"));
`;
const say = (line: string) => void process.stderr.write(`dns: ${line}\n`);

interface Figures {
  readonly perSecond: number;
  readonly lost: number;
  readonly p50: number;
  readonly p99: number;
}

interface Place {
  readonly host: string;
  readonly port: number;
  readonly name: string;
}

/** The asker's process id, once its container runs. */
async function startServices(lab: LabRecord): Promise<number> {
  await docker(lab, "1", "network", "create", "-d", "overlay", "front");
  const service = async (name: string, replicas: number) => {
    const words = ["--name", name, "--replicas", String(replicas), "--network", "front", "shoal/probe"];
    await docker(lab, "1", "service", "create", "--detach", "--quiet", ...words);
    const running = () => docker(lab, "1", "ps", "-q", "--filter", `name=${name}.`);
    await until(name, async () => (await running()).trim().split("\n").filter(Boolean).length === replicas);
    return (await running()).trim().split("\n")[0] ?? "";
  };
  await service("web", 8);
  const asker = await service("asker", 1);
  return Number(await docker(lab, "1", "inspect", "--format", "{{.State.Pid}}", asker));
}

async function startEcho(lab: LabRecord): Promise<ChildProcess> {
  const [file = "", ...args] = onHost(lab, "1", [process.execPath, "-e", ECHO]);
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"], detached: true });
  await once(child.stdout, "data");
  return child;
}

async function ask(pid: number, { host, port, name }: Place, rate: number): Promise<Figures> {
  const client = [process.execPath, CLIENT, host, String(port), name, String(rate), String(SECONDS)];
  const nsenter = ["-t", String(pid), "-n", "--", ...client];
  const child = spawn("nsenter", nsenter, { stdio: ["ignore", "pipe", "inherit"], detached: true });
  const said: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => said.push(chunk));
  const [code] = (await once(child, "close")) as [number];
  if (code !== 0) throw new Error(`the asker ended with ${code}`);
  return JSON.parse(Buffer.concat(said).toString()) as Figures;
}

/** The median of each figure; the places take turns, so that a noisy moment meets all of them. */
async function compare(
  pid: number,
  places: Readonly<Record<string, Place>>,
  rate: number,
  daemon: string,
): Promise<void> {
  const runs = new Map<string, Figures[]>(Object.keys(places).map((what) => [what, []]));
  for (let run = 0; run < RUNS; run++)
    for (const [what, place] of Object.entries(places)) runs.get(what)?.push(await ask(pid, place, rate));
  const echo = median((runs.get("echo") ?? []).map(({ perSecond }) => perSecond));
  for (const [what, figures] of runs) {
    const of = (key: keyof Figures) => median(figures.map((each) => each[key]));
    const asked = rate === 0 ? "all it can" : `${rate}/s`;
    const cells = [what, daemon, asked, of("perSecond"), of("lost"), of("p50"), of("p99")];
    process.stdout.write(`| ${[...cells, (of("perSecond") / echo).toFixed(2)].join(" | ")} |\n`);
  }
}

async function createServices(engine: Engine): Promise<void> {
  const create = (i: number) =>
    engine.post("/services/create", {
      Name: `idle-${i}`,
      TaskTemplate: { ContainerSpec: { Image: "shoal/probe" } },
      Mode: { Replicated: { Replicas: 0 } },
    });
  for (let i = 0; i < SERVICES; i++) await create(i);
}

/** Keeps the daemon's main thread busy while `work` runs: two lists of services are always under way. How long each took, ms. */
async function whileBusy(engine: Engine, work: () => Promise<void>): Promise<number> {
  const took: number[] = [];
  let isDone = false;
  const list = async () => {
    while (!isDone) {
      const begun = performance.now();
      await engine.text("/services");
      took.push(performance.now() - begun);
    }
  };
  const lists = [list(), list()];
  try {
    await work();
  } finally {
    isDone = true;
    await Promise.all(lists);
  }
  return median(took);
}

async function main(): Promise<void> {
  const images = await preparedRegistry(say);
  const lab = newLab({ name: "names", hosts: 1, images, uplink: false, settings: {} });
  await labUp(lab, parts);
  let echo: ChildProcess | undefined;
  try {
    await labSwarm(lab);
    const pid = await startServices(lab);
    echo = await startEcho(lab);
    const routes = await execOk(["nsenter", "-t", String(pid), "-n", "ip", "-4", "route", "show", "default"]);
    const [, gateway = ""] = /via (\S+)/.exec(routes) ?? [];
    const resolver = { host: "127.0.0.11", port: 53 };
    const places = {
      echo: { host: gateway, port: ECHO_PORT, name: "web" },
      "a VIP": { ...resolver, name: "web" },
      "8 tasks": { ...resolver, name: "tasks.web" },
    };
    const engine = new Engine(hostPaths(lab.name, "1").apiSocket);
    await createServices(engine);
    process.stdout.write(
      "| what | daemon | asked | answers/s | lost | p50 µs | p99 µs | of echo |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    await compare(pid, places, RATE, "at rest");
    const took = await whileBusy(engine, () => compare(pid, places, RATE, "busy"));
    await compare(pid, places, 0, "at rest");
    process.stdout.write(
      `\nBusy: two lists of ${SERVICES} services are always under way; each took ${took.toFixed(0)} ms.\n`,
    );
  } finally {
    echo?.kill("SIGKILL");
    await labDown(lab, systemClock);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`dns: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
