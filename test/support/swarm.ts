import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { preparedRegistry } from "../../scripts/images.ts";
import {
  addressOf,
  allLabs,
  dockerEnv,
  type HostParts,
  hostPaths,
  type LabRecord,
  labDown,
  labSwarm,
  labUp,
  newLab,
  onHost,
} from "../../src/lab/index.ts";
import { type ExecResult, exec, systemClock } from "../../src/sys/index.ts";

const dist = resolve(import.meta.dirname, "../../dist");

/** How labs of tests start their shoald: the built one, as users run it. */
export const hostParts: HostParts = {
  clock: systemClock,
  shoald: [process.execPath, join(dist, "daemon/main.js")],
};

/** A running container of a task, on some host. */
export interface TaskContainer {
  readonly host: string;
  readonly id: string;
  readonly pid: number;
  readonly taskId: string;
}

/** The name of a lab of this test process: t-NAME-PID, the process id in base 36. */
export function testLabName(name: string): string {
  return `t-${name}-${process.pid.toString(36)}`;
}

/** Takes away the labs of test processes that were killed before they could do so. Another test file may be at the same. */
async function removeOrphans(): Promise<void> {
  for (const lab of allLabs()) {
    const [, pid] = /^t-.*-([0-9a-z]+)$/.exec(lab.name) ?? [];
    if (pid === undefined || existsSync(`/proc/${Number.parseInt(pid, 36)}`)) continue;
    await eventually(60_000, `lab ${lab.name} of a killed test is gone`, async () => {
      if (allLabs().some(({ name }) => name === lab.name)) await labDown(lab, systemClock);
      return true;
    });
  }
}

/** A lab for a test file, driven as a person would: by the stock docker CLI. */
export class TestSwarm {
  readonly lab: LabRecord;

  private constructor(lab: LabRecord) {
    this.lab = lab;
  }

  /**
   * Brings up a swarm with images in its registry. Names, of up to 8 letters, must be unique among test files; other
   * runs of the tests have labs of their own.
   */
  static async up(
    name: string,
    hosts = 3,
    options: { swarm?: boolean; settings?: object } = {},
  ): Promise<TestSwarm> {
    const images = await preparedRegistry(() => undefined);
    const settings = { ...options.settings } as Record<string, unknown>;
    await removeOrphans();
    const lab = newLab({ name: testLabName(name), hosts, images, uplink: false, settings });
    await labUp(lab, hostParts);
    const swarm = new TestSwarm(lab);
    try {
      if (options.swarm !== false) await labSwarm(lab);
      return swarm;
    } catch (error) {
      await swarm[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await labDown(this.lab, systemClock);
  }

  ip(host: string): string {
    return addressOf(this.lab, host);
  }

  /** What `docker ARGS` did on a host. */
  try(host: string, ...args: string[]): Promise<ExecResult> {
    return exec(["docker", ...args], { env: { ...process.env, ...dockerEnv(this.lab, host) } });
  }

  /** Standard output of `docker ARGS` on a host; throws with what it printed unless it succeeds. */
  async docker(host: string, ...args: string[]): Promise<string> {
    const result = await this.try(host, ...args);
    if (result.code === 0) return result.stdout.trim();
    throw new Error(`docker ${args.join(" ")}: exit ${result.code}: ${result.stderr}${result.stdout}`);
  }

  /** Makes a service and waits until it runs; without the five seconds for which the CLI looks on afterwards. */
  async service(name: string, ...args: string[]): Promise<void> {
    await this.docker("1", "service", "create", "-d", "-q", "--name", name, ...args);
    await this.replicas(name);
  }

  /** Waits until as many tasks of a service run as shall, or as many as said. */
  async replicas(service: string, count?: number): Promise<void> {
    const want = count === undefined ? /^(\d+)\/\1\b/ : new RegExp(`^${count}/${count}\\b`);
    await eventually(60_000, `the replicas of ${service} run`, async () => {
      const text = await this.docker("1", "service", "ls", "--format", "{{.Name}} {{.Replicas}}");
      const rows = new Map(text.split("\n").map((row) => row.split(" ", 2) as [string, string]));
      return want.test(rows.get(service) ?? "") || Promise.reject(new Error(text));
    });
  }

  /** The tasks of a service, ended ones too, newest first within a slot, each by a format of `docker service ps`. */
  async ps(service: string, format: string, ...args: string[]): Promise<string[]> {
    const text = await this.docker("1", "service", "ps", "--no-trunc", "--format", format, ...args, service);
    return text.split("\n").filter(Boolean);
  }

  /** A command in a host's network. */
  exec(host: string, ...argv: string[]): Promise<ExecResult> {
    return exec(onHost(this.lab, host, argv));
  }

  /** The running containers of a service, over all hosts. */
  async containers(service: string, hosts: readonly string[] = this.lab.hosts): Promise<TaskContainer[]> {
    const found = await Promise.all(
      hosts.map(async (host) => {
        const filter = `label=com.docker.swarm.service.name=${service}`;
        const ids = (await this.docker(host, "ps", "-q", "--no-trunc", "--filter", filter))
          .split("\n")
          .filter(Boolean);
        return Promise.all(ids.map((id) => this.#container(host, id)));
      }),
    );
    // One that ended between the two looks has no process.
    return found.flat().filter(({ pid }) => pid > 0);
  }

  /** A command inside a task's container, with its own files and network. */
  async inTask(task: TaskContainer, ...argv: string[]): Promise<ExecResult> {
    return exec(["nsenter", "-t", String(task.pid), "-n", "-m", "--", ...argv]);
  }

  hostPaths(host: string): ReturnType<typeof hostPaths> {
    return hostPaths(this.lab.name, host);
  }

  async #container(host: string, id: string): Promise<TaskContainer> {
    const format = '{{.State.Pid}} {{index .Config.Labels "com.docker.swarm.task.id"}}';
    const [pid = "0", taskId = ""] = (await this.docker(host, "inspect", "--format", format, id)).split(" ");
    return { host, id, pid: Number(pid), taskId };
  }
}

/** Tries until `check` returns something truthy; throws with the last failure after `ms`. */
export async function eventually<T>(
  ms: number,
  what: string,
  check: () => Promise<T>,
): Promise<Exclude<T, false | 0 | "" | null | undefined>> {
  const deadline = Date.now() + ms;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      const value = await check();
      if (value) return value as Exclude<T, false | 0 | "" | null | undefined>;
      last = value;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(
    `${what}: not within ${ms} ms; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`,
  );
}

/** How often each value occurs. */
export function tally(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
