import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, TestSwarm } from "../support/swarm.ts";

/** Updates that go wrong, and crash loops, as the stock CLI tells of them: its words and its exit codes. */

let swarm: TestSwarm;

beforeAll(async () => {
  swarm = await TestSwarm.up("rollouts", 2);
  await Promise.all(["1", "2"].map((host) => swarm.docker(host, "pull", "-q", "busybox")));
  const service = ["service", "create", "-q", "--name", "web", "--replicas", "2"];
  await swarm.docker(
    "1",
    ...service,
    "--update-monitor",
    "1s",
    "--rollback-monitor",
    "1s",
    "busybox",
    "sleep",
    "600",
  );
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
});

/** `docker service …` by the CLI that waits: what it said last, and how it ended. */
async function service(...args: string[]): Promise<{ ok: boolean; said: string }> {
  const { code, stdout, stderr } = await swarm.try("1", "service", ...args);
  return { ok: code === 0, said: `${stdout}${stderr}` };
}

const bad = ["--args", `sh -c "echo no DATABASE_URL >&2; exit 3"`];
const because =
  /due to failure or early termination of task \w{25}: task: non-zero exit \(3\): no DATABASE_URL/;

async function updateStatus(): Promise<{ State: string; Message: string }> {
  const words = await swarm.docker("1", "service", "inspect", "web", "--format", "{{json .UpdateStatus}}");
  return JSON.parse(words) as { State: string; Message: string };
}

test("an update whose tasks end is paused: the CLI says why, and fails", async () => {
  const { ok, said } = await service("update", ...bad, "web");
  expect(ok).toBe(false);
  expect(said).toMatch(/service update paused: update paused due to/);
  expect(said).toMatch(because);
});

test("a rollback by hand brings back what ran", async () => {
  const { ok, said } = await service("rollback", "web");
  expect([ok, said]).toEqual([
    true,
    expect.stringMatching(/rollback: manually requested rollback[\s\S]*converged/),
  ]);
  expect(await updateStatus()).toMatchObject({ State: "rollback_completed", Message: "rollback completed" });
});

test("an update that rolls back ends well, and keeps its reason", async () => {
  const { ok, said } = await service("update", "--update-failure-action", "rollback", ...bad, "web");
  expect([ok, said]).toEqual([true, expect.stringMatching(because)]);
  const { State, Message } = await updateStatus();
  expect(State).toBe("rollback_completed");
  expect(Message).toMatch(/^rollback completed: update rolled back due to/);
  expect(Message).toMatch(because);
});

/** A service of one task that ends at once, again and again. */
const looping = (name: string, delay: string) =>
  swarm.docker(
    ...(["1", "service", "create", "-d", "-q", "--name", name, "--restart-delay", delay] as const),
    ...["busybox", "sh", "-c", "exit 7"],
  );

/** Waits for a task of the service that is held back, with this in its error column. */
const held = (name: string, error: RegExp) =>
  eventually(30_000, `${name} is held back`, async () => {
    const rows = await swarm.ps(name, "{{.DesiredState}}|{{.Error}}");
    return rows.some((row) => row.startsWith("Ready|") && error.test(row));
  });

test("a crash loop says how long it waits", async () => {
  await looping("loop", "2s");
  await held("loop", /restarting in back-off: 8 s after 3 failures/);
});

test("new words do not wait for the delay of what they mend", async () => {
  await looping("stuck", "10m");
  await held("stuck", /^Ready\|$/);
  const mend = ["--update-monitor", "1s", "--args", "sleep 600", "stuck"];
  expect((await service("update", "-q", ...mend)).ok).toBe(true);
});
