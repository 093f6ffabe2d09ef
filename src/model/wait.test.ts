import { expect, test } from "vitest";
import { aService, aTask, T0 } from "./objects.fake.ts";
import type { Task } from "./task.ts";
import { explainWait } from "./wait.ts";

const waiting = (crashes: number, waitMs: number, rest: Partial<Task> = {}): Task =>
  aTask(aService("web"), 1, { crashes, notBefore: T0 + waitMs, desiredState: "ready", ...rest });

test.each([
  ["the first restart waits as its policy says", waiting(1, 5_000), undefined],
  ["the second waits longer", waiting(2, 10_000), "restarting in back-off: 10 s after 2 failures"],
  ["and so on", waiting(4, 40_000), "restarting in back-off: 40 s after 4 failures"],
  ["up to the end of patience", waiting(30, 300_000), "restarting in back-off: 5 min after 30 failures"],
  ["odd delays", waiting(3, 4_500), "restarting in back-off: 4.5 s after 3 failures"],
  ["once let go it waits no more", waiting(4, 40_000, { desiredState: "running" }), undefined],
  ["nor when it has ended", waiting(4, 1, { status: { at: T0, state: "rejected", message: "" } }), undefined],
  ["nor when it follows at once", waiting(4, 0), undefined],
])("%s", (_, task, words) => {
  expect(explainWait(task)).toBe(words);
});
