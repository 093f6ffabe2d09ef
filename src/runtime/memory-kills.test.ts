import { expect, test } from "vitest";
import { killsIn, wasKilledForMemory } from "./memory-kills.ts";

test.each([
  ["version 1", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", 2],
  ["version 2", "low 0\nhigh 0\nmax 71\noom 1\noom_kill 1\noom_group_kill 0\n", 1],
  ["nothing killed", "oom_kill_disable 1\nunder_oom 0\noom_kill 0\n", 0],
  ["a kernel that does not count", "oom_kill_disable 0\nunder_oom 1\n", 0],
])("kills for want of memory are counted: %s", (_, text, count) => {
  expect(killsIn(text)).toBe(count);
});

test("a container that has no cgroup was not killed", async () => {
  expect(await wasKilledForMemory("nobody")).toBe(false);
});
