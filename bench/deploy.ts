import type { Engine } from "./engine.ts";
import { median, processesWith, timed, until } from "./measure.ts";

/** What deploying costs on one engine: medians, milliseconds. */
export interface DeployTimes {
  readonly createMs: number;
  readonly scaleMs: number;
  readonly removeMs: number;
}

const CREATE_RUNS = 7;
const SCALE_RUNS = 3;
const SMALL = 3;
const LARGE = 50;
const IMAGE = "busybox:latest";
const NETWORK = "bench-net";

interface Task {
  readonly ID: string;
  readonly DesiredState: string;
  readonly Status: { readonly State: string };
}

/** Times on an engine that leads a swarm of one node. The image is pulled before the clock starts. */
export async function deployTimes(engine: Engine, say: (line: string) => void): Promise<DeployTimes> {
  await engine.post("/networks/create", { Name: NETWORK, Driver: "overlay" });
  await createAndRemove(engine, "warm");
  const createMs: number[] = [];
  for (let i = 0; i < CREATE_RUNS; i++) createMs.push(await createAndRemove(engine, `one${i}`));
  say(`create until running: ${createMs.map((ms) => ms.toFixed(0)).join(" ")} ms`);
  const scaleMs: number[] = [];
  const removeMs: number[] = [];
  for (let i = 0; i < SCALE_RUNS; i++) {
    const times = await scaleAndRemove(engine, `many${i}`);
    scaleMs.push(times.scale);
    removeMs.push(times.remove);
    say(`${SMALL} to ${LARGE}: ${times.scale.toFixed(0)} ms, removed in ${times.remove.toFixed(0)} ms`);
  }
  return { createMs: median(createMs), scaleMs: median(scaleMs), removeMs: median(removeMs) };
}

/** A command line that no other process has; it ends at once on SIGTERM. */
function markOf(name: string): string {
  return `sleep 86400 ${name}-mark`;
}

function specOf(name: string, replicas: number): object {
  return {
    Name: name,
    TaskTemplate: {
      // The shell traps SIGTERM, so that nobody waits for a grace period to pass.
      ContainerSpec: {
        Image: IMAGE,
        Command: ["sh", "-c", `trap 'exit 0' TERM; while :; do sleep 1; done # ${markOf(name)}`],
      },
      Networks: [{ Target: NETWORK }],
    },
    Mode: { Replicated: { Replicas: replicas } },
  };
}

async function runningTasks(engine: Engine, service: string): Promise<number> {
  const filters = encodeURIComponent(JSON.stringify({ service: [service] }));
  const tasks = await engine.get<Task[]>(`/tasks?filters=${filters}`);
  return tasks.filter((task) => task.Status.State === "running" && task.DesiredState === "running").length;
}

async function removed(engine: Engine, name: string): Promise<void> {
  await engine.delete(`/services/${name}`);
  await until(`${name} is gone`, async () => processesWith(markOf(name)).length === 0);
}

async function createAndRemove(engine: Engine, name: string): Promise<number> {
  const ms = await timed(async () => {
    const { ID } = await engine.post<{ ID: string }>("/services/create", specOf(name, 1));
    await until(`${name} runs`, async () => (await runningTasks(engine, ID)) === 1);
  });
  await removed(engine, name);
  return ms;
}

async function scaleAndRemove(engine: Engine, name: string): Promise<{ scale: number; remove: number }> {
  const { ID } = await engine.post<{ ID: string }>("/services/create", specOf(name, SMALL));
  await until(`${name} runs`, async () => (await runningTasks(engine, ID)) === SMALL);
  const { Version } = await engine.get<{ Version: { Index: number } }>(`/services/${ID}`);
  const scale = await timed(async () => {
    await engine.post(`/services/${ID}/update?version=${Version.Index}`, specOf(name, LARGE));
    await until(`${name} has ${LARGE}`, async () => (await runningTasks(engine, ID)) === LARGE);
  });
  const remove = await timed(() => removed(engine, name));
  return { scale, remove };
}
