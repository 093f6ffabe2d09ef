import { statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, TestSwarm, tally } from "../support/swarm.ts";

/** Services that can never run do no harm to those that do. How quick the API answers meanwhile: bench/pressure.ts. */

let swarm: TestSwarm;
const HISTORY = 2;
const REPLICAS = 50;

const docker = (...args: string[]) => swarm.docker("1", ...args);

beforeAll(async () => {
  swarm = await TestSwarm.up("pressure");
  await docker("swarm", "update", "--task-history-limit", String(HISTORY));
  await Promise.all(
    ["1", "2", "3"].flatMap((host) =>
      ["busybox", "shoal/probe"].map((image) => swarm.docker(host, "pull", "-q", image)),
    ),
  );
});

afterAll(async () => {
  await swarm?.[Symbol.asyncDispose]();
});

/** All task records of a service by slot, ended ones too. */
const records = async (name: string) =>
  tally(await swarm.ps(name, "{{.Name}}", "--no-resolve").then((rows) => rows.map(slotOf)));
/** The slot in a NAME of `service ps`: " \_ crash.7" is "7". */
const slotOf = (name: string): string => name.slice(name.lastIndexOf(".") + 1);

/** One request after another from outside, each on its own connection, until stopped: the status codes. */
function visit(url: string): { stop(): Promise<string[]> } {
  const curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5", url];
  const codes: string[] = [];
  let stopped = false;
  const end = Date.now() + 200_000; // should the test fail before it stops them
  const done = (async () => {
    while (!stopped && Date.now() < end) codes.push((await swarm.exec("client", ...curl)).stdout);
  })();
  return {
    async stop() {
      stopped = true;
      await done;
      return codes;
    },
  };
}

test("fifty replicas that crash and an image that is nowhere: others are untouched, and records stay few", async () => {
  const quiet = ["--env", "QUIET=1"];
  await swarm.service("web", "--replicas", "3", "-p", "8080:80", ...quiet, "shoal/probe");
  const tasks = await swarm.ps("web", "{{.ID}} {{.DesiredState}}");
  const database = join(swarm.hostPaths("1").data, "shoal/swarm/etcd/member/snap/db");
  const visitors = visit(`http://${swarm.ip("2")}:8080/`);
  const create = ["service", "create", "-d", "-q", "--restart-delay", "0s", "--replicas"];
  await docker(...create, String(REPLICAS), "--name", "crash", "busybox", "sh", "-c", "exit 1");
  await docker(...create, "6", "--name", "nowhere", "shoal/nowhere:1");
  await eventually(120_000, "most slots have crashed again and again", async () => {
    const rows = await swarm.ps("crash", "{{.Error}}");
    const often = rows.filter((row) => Number(/after (\d+) failures/.exec(row)?.[1]) >= HISTORY);
    return often.length >= REPLICAS * 0.8 || Promise.reject(new Error(rows.join("\n")));
  });
  await eventually(20_000, "the image was looked for", async () => {
    const rows = await swarm.ps("nowhere", "{{.Error}}");
    return rows.some((row) => row.includes("manifest unknown"));
  });
  for (const name of ["crash", "nowhere"]) {
    const most = Math.max(...(await records(name)).values());
    // What the history keeps, the one that waits, and one that is on its way out.
    expect(most).toBeLessThanOrEqual(HISTORY + 2);
  }
  const codes = await visitors.stop();
  expect(codes.filter((code) => code !== "200")).toEqual([]);
  expect(codes.length).toBeGreaterThan(20);
  expect(await swarm.ps("web", "{{.ID}} {{.DesiredState}}")).toEqual(tasks);
  expect(await swarm.containers("web")).toHaveLength(3);
  expect(statSync(database).size).toBeLessThan(64 * 1024 * 1024);
});
