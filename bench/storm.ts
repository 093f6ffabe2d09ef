import { createServer } from "node:http";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { preparedRegistry } from "../scripts/images.ts";
import { hostPaths, labDown, labSwarm, labUp, newLab } from "../src/lab/index.ts";
import { systemClock } from "../src/sys/index.ts";
import { Engine } from "./engine.ts";
import { until } from "./measure.ts";

/**
 * `npx tsx bench/storm.ts`: how fast a manager's API answers while a service of 50 replicas does nothing but crash and
 * another's image cannot be pulled; a bare HTTP server asked in turn tells what the machine itself costs. Three hosts and
 * the asker share one machine, so it must have nothing else to do.
 */

const NAME = "storm";
const REPLICAS = 50;
const SECONDS = 20;
const PATHS = ["/services", "/services?status=true", "/tasks", "/nodes"];
const parts = {
  clock: systemClock,
  shoald: [process.execPath, join(import.meta.dirname, "../dist/daemon/main.js")],
};

interface Latency {
  readonly p50: string;
  readonly p99: string;
  readonly max: string;
  readonly asked: number;
}

interface ListedTask {
  readonly ServiceID: string;
  readonly Status: { readonly State: string };
}

function specOf(name: string, image: string, replicas: number, command: string): object {
  return {
    Name: name,
    TaskTemplate: {
      ContainerSpec: { Image: image, Command: ["sh", "-c", command] },
      RestartPolicy: { Condition: "any", Delay: 0 },
    },
    Mode: { Replicated: { Replicas: replicas } },
  };
}

function latencyOf(taken: readonly number[]): Latency {
  const sorted = taken.toSorted((a, b) => a - b);
  const at = (part: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(1);
  return { p50: at(0.5), p99: at(0.99), max: at(1), asked: taken.length };
}

/** Asks both in turn, a little apart, as a person's tools would. */
async function ask(api: Engine, bare: Engine): Promise<{ api: Latency; bare: Latency }> {
  const taken = { api: [] as number[], bare: [] as number[] };
  const end = performance.now() + SECONDS * 1000;
  for (let i = 0; performance.now() < end; i++) {
    for (const [who, engine] of [
      ["api", api],
      ["bare", bare],
    ] as const) {
      const from = performance.now();
      await engine.get(PATHS[i % PATHS.length] ?? "/services");
      taken[who].push(performance.now() - from);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return { api: latencyOf(taken.api), bare: latencyOf(taken.bare) };
}

async function main(): Promise<void> {
  const images = await preparedRegistry(() => undefined);
  const lab = newLab({ name: NAME, hosts: 3, images, uplink: false, settings: {} });
  const path = join(hostPaths(NAME, "1").run, "bare.sock");
  const server = createServer((_, answer) => answer.end("[]"));
  try {
    await labUp(lab, parts);
    await labSwarm(lab);
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const [api, bare] = [new Engine(hostPaths(NAME, "1").apiSocket), new Engine(path)];
    const calm = await api.post<{ ID: string }>(
      "/services/create",
      specOf("calm", "busybox", 3, "sleep 86400"),
    );
    const running = async () => {
      const tasks = await api.get<ListedTask[]>("/tasks");
      return tasks.filter((t) => t.ServiceID === calm.ID && t.Status.State === "running").length === 3;
    };
    await until("the calm service runs", running);
    const rows: Record<string, Latency> = {};
    const measure = async (what: string) => {
      const latency = await ask(api, bare);
      rows[`${what}: the API`] = latency.api;
      rows[`${what}: a bare server`] = latency.bare;
    };
    await measure("calm");
    await api.post("/services/create", specOf("crash", "busybox", REPLICAS, "exit 3"));
    await api.post("/services/create", specOf("nopull", "nobody.invalid/nothing:1", 10, "true"));
    await measure(`first ${SECONDS} s of the storm`);
    await measure(`next ${SECONDS} s`);
    console.table(rows);
    process.stdout.write(`the calm service ${(await running()) ? "runs untouched" : "WAS TOUCHED"}\n`);
  } finally {
    server.close();
    await labDown(lab, systemClock);
  }
}

await main();
