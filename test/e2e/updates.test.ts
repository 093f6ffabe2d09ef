import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cliKnows } from "../support/cli.ts";
import { startLoad } from "../support/load.ts";
import { eventually, TestSwarm } from "../support/swarm.ts";

/**
 * Changes under load: whatever is planned, no request fails. The load comes from outside, by the routing mesh, on
 * connections that are kept. UPDATES=50 makes a long run of it (npm run test:updates).
 */

const UPDATES = Number(process.env.UPDATES ?? 5);
const UPDATE_MS = 60_000;

let swarm: TestSwarm;

beforeAll(async () => {
  swarm = await TestSwarm.up("updates", 3, { settings: { "log-level": "debug" } });
  await Promise.all(["1", "2", "3"].map((host) => swarm.docker(host, "pull", "-q", "shoal/probe")));
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
});

/** A service whose server ends in peace: healthy once it answers, and answering whoever is connected before it goes. */
async function serve(name: string, port: number, ...args: string[]): Promise<void> {
  const health = ["--health-cmd", "wget -q -O /dev/null http://127.0.0.1/", "--health-interval", "1s"];
  const soon = "--health-start-interval";
  const start = cliKnows(soon) ? ["--health-start-period", "10s", soon, "100ms"] : [];
  const end = ["--env", "GRACE=10", "--env", "QUIET=1", "--stop-grace-period", "20s"];
  const update = ["--update-monitor", "100ms", "--update-parallelism", "1"];
  await swarm.service(
    name,
    "-p",
    `${port}:80`,
    ...health,
    ...start,
    ...end,
    ...update,
    ...args,
    "shoal/probe",
  );
}

/** Does `work` under load that enters the mesh at a host, and looks that no request failed. */
async function underLoad(host: string, port: number, work: () => Promise<void>): Promise<void> {
  const load = startLoad(swarm, `http://${swarm.ip(host)}:${port}/`);
  const outcome = await work().then(
    () => undefined,
    (error: unknown) => error,
  );
  const { requests, failures } = await load.stop();
  if (outcome !== undefined) throw outcome;
  expect(failures).toEqual([]);
  expect(requests).toBeGreaterThan(100);
}

/** The tasks of a service that shall run. */
async function tasksOf(service: string): Promise<Set<string>> {
  return new Set(await swarm.ps(service, "{{.ID}}", "--filter", "desired-state=running"));
}

/** Replaces every task of a service, and waits as the CLI does: until all is as wanted. */
async function updateAll(service: string): Promise<void> {
  const before = await tasksOf(service);
  await swarm.docker("1", "service", "update", "--detach=false", "--quiet", "--force", service);
  const after = await tasksOf(service);
  expect([...after].filter((id) => before.has(id))).toEqual([]);
  expect(after.size).toBe(before.size);
  expect(await swarm.docker("1", "inspect", "--format", "{{.UpdateStatus.State}}", service)).toBe(
    "completed",
  );
}

/** How long the drains took that this manager has seen so far, in milliseconds, sorted. */
function drains(): number[] {
  const log = readFileSync(`${swarm.hostPaths("1").data}/shoald.log`, "utf8");
  const lines = log.split("\n").filter((line) => line.includes('"task drained"'));
  return lines.map((line) => (JSON.parse(line) as { tookMs: number }).tookMs).sort((a, b) => a - b);
}

test(
  `start-first, five replicas: ${UPDATES} updates, no request fails`,
  async () => {
    await serve("first", 8081, "--replicas", "5", "--update-order", "start-first");
    await underLoad("2", 8081, async () => {
      for (let i = 0; i < UPDATES; i++) await updateAll("first");
    });
    const took = drains();
    expect(took.length).toBe(5 * UPDATES);
    const at = (part: number) => took[Math.floor(part * (took.length - 1))];
    console.info(`draining: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${took.at(-1)} ms`);
    await swarm.docker("1", "service", "rm", "first");
  },
  60_000 + UPDATES * UPDATE_MS,
);

test("stop-first, two replicas: the one that stays serves all", async () => {
  await serve("last", 8082, "--replicas", "2", "--update-order", "stop-first");
  await underLoad("1", 8082, async () => {
    for (let i = 0; i < 3; i++) await updateAll("last");
  });
  await swarm.docker("1", "service", "rm", "last");
});

test("scaled down and up again, no request fails", async () => {
  await serve("scaled", 8083, "--replicas", "6");
  await underLoad("3", 8083, async () => {
    for (const replicas of [2, 6, 1, 4]) {
      await swarm.docker("1", "service", "scale", "--detach", `scaled=${replicas}`);
      await eventually(60_000, `${replicas} containers run`, async () => {
        return (await swarm.containers("scaled")).length === replicas;
      });
      await swarm.replicas("scaled", replicas);
    }
  });
  await swarm.docker("1", "service", "rm", "scaled");
});

test("a planned drain of a node, by which the load comes in, loses no request", async () => {
  await serve("moved", 8084, "--replicas", "3", "--update-order", "start-first");
  await underLoad("2", 8084, async () => {
    await swarm.docker("1", "node", "update", "--availability", "drain", `${swarm.lab.name}-2`);
    await eventually(60_000, "the node runs nothing", async () => {
      return (await swarm.containers("moved", ["2"])).length === 0;
    });
    await swarm.replicas("moved", 3);
    await swarm.docker("1", "node", "update", "--availability", "active", `${swarm.lab.name}-2`);
  });
  await swarm.docker("1", "service", "rm", "moved");
});

test("an answer that is on its way to a slow reader when its server has ended arrives whole", async () => {
  const bytes = 600_000;
  await serve("slow", 8085, "--replicas", "2", "--update-order", "start-first");
  // What a reader has not read waits on the server's side, as it does when the reader is far away.
  await swarm.exec("client", "sysctl", "-w", "net.ipv4.tcp_rmem=4096 16384 16384");
  const url = `http://${swarm.ip("1")}:8085/bytes/${bytes}`;
  const format = "%{http_code} %{size_download}";
  const curl = ["curl", "-s", "-o", "/dev/null", "-w", format, "-H", "Connection: close"];
  const read = () => swarm.exec("client", ...curl, "--limit-rate", "80k", url);
  const answers = Promise.all(Array.from({ length: 6 }, read));
  await updateAll("slow");
  const whole = Array.from({ length: 6 }, () => `0 200 ${bytes}`);
  expect((await answers).map(({ code, stdout }) => `${code} ${stdout}`)).toEqual(whole);
  await swarm.docker("1", "service", "rm", "slow");
});
