import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { preparedRegistry } from "../scripts/images.ts";
import {
  addressOf,
  hostPaths,
  type LabRecord,
  labDown,
  labSwarm,
  labUp,
  newLab,
  onHost,
} from "../src/lab/index.ts";
import { systemClock } from "../src/sys/index.ts";
import { Engine } from "./engine.ts";
import { median, until } from "./measure.ts";

/**
 * How long it takes from a task being ready (its status says running) until the last of three hosts sends it traffic: `sudo npx
 * tsx bench/ready.ts` (two minutes, after `npm run build`). A service with a published port gets its only task, again and again, while
 * the lab's client knocks at the port on all three hosts, every millisecond or so.
 */

const RUNS = Number(process.env.RUNS ?? 50);
const PORT = 8088;
const parts = {
  clock: systemClock,
  shoald: [process.execPath, join(import.meta.dirname, "../dist/daemon/main.js")],
};
const say = (line: string) => void process.stderr.write(`ready: ${line}\n`);

interface Told {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: { readonly Mode: { readonly Replicated: { readonly Replicas: number } } };
}

interface ToldTask {
  readonly Status: { readonly State: string; readonly Timestamp: string };
}

const SPEC = (replicas: number): object => ({
  Name: "door",
  TaskTemplate: {
    ContainerSpec: { Image: "busybox:latest", Command: ["httpd", "-f", "-p", "80"], StopSignal: "SIGKILL" },
  },
  Mode: { Replicated: { Replicas: replicas } },
  EndpointSpec: { Ports: [{ Protocol: "tcp", PublishedPort: PORT, TargetPort: 80 }] },
});

class Door {
  readonly #lab: LabRecord;
  readonly #engine: Engine;

  constructor(lab: LabRecord) {
    this.#lab = lab;
    this.#engine = new Engine(hostPaths(lab.name, "1").apiSocket);
  }

  async scale(replicas: number): Promise<void> {
    const { ID, Version } = await this.#engine.get<Told>("/services/door");
    await this.#engine.post(`/services/${ID}/update?version=${Version.Index}`, SPEC(replicas));
  }

  create(): Promise<unknown> {
    return this.#engine.post("/services/create", SPEC(0));
  }

  async running(): Promise<ToldTask[]> {
    const tasks = await this.#engine.get<ToldTask[]>("/tasks");
    return tasks.filter(({ Status }) => Status.State === "running");
  }

  /** Milliseconds from the task's word until the client came in by the first and by the last host. */
  async open(): Promise<{ readonly first: number; readonly last: number }> {
    const doors = this.#lab.hosts.map((host) => `${addressOf(this.#lab, host)}:${PORT}`);
    const program = [process.execPath, join(import.meta.dirname, "knock.mjs"), ...doors];
    const [file = "", ...args] = onHost(this.#lab, "client", program);
    const client = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
    const lines = createInterface({ input: client.stdout })[Symbol.asyncIterator]();
    await lines.next();
    await this.scale(1);
    const opened: number[] = JSON.parse((await lines.next()).value ?? "[]");
    await until("the task is told as running", async () => (await this.running()).length === 1);
    const ready = Date.parse((await this.running())[0]?.Status.Timestamp ?? "");
    return { first: Math.min(...opened) - ready, last: Math.max(...opened) - ready };
  }

  async shut(): Promise<void> {
    await this.scale(0);
    await until("no task is left", async () => (await this.running()).length === 0);
    // The draining ends, and the next knocks are refused.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

async function main(): Promise<void> {
  const images = await preparedRegistry(say);
  const lab = newLab({ name: "ready", hosts: 3, images, uplink: false, settings: {} });
  await labUp(lab, parts);
  try {
    await labSwarm(lab);
    const door = new Door(lab);
    await door.create();
    const opened: { readonly first: number; readonly last: number }[] = [];
    for (let run = 0; run < RUNS + 2; run++) {
      const times = await door.open();
      // The first ones load what later ones have.
      if (run >= 2) opened.push(times);
      await door.shut();
    }
    process.stdout.write("| from ready to | p50 | p99 | worst |\n| --- | --- | --- | --- |\n");
    for (const [what, of] of [
      ["first", "first"],
      ["last", "last"],
    ] as const) {
      const times = opened.map((each) => each[of]).sort((a, b) => a - b);
      const at = (part: number) =>
        (times[Math.min(times.length - 1, Math.floor(part * times.length))] ?? 0).toFixed(0);
      process.stdout.write(
        `| the ${what} host sends it traffic | ${median(times).toFixed(0)} ms | ${at(0.99)} ms | ${at(1)} ms |\n`,
      );
    }
  } finally {
    await labDown(lab, systemClock);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`ready: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
