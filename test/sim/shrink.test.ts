import { expect, test } from "vitest";
import { randomHistory } from "../support/sim/random-history.ts";
import { formatScenario, type History, parseScenario } from "../support/sim/scenario.ts";
import { cutAfter, shrink } from "../support/sim/shrink.ts";

const first = randomHistory(5, 1);

/** Breaks when it has both of these steps, in their order and a second apart at least. */
async function verdict({ steps, forMs }: History): Promise<{ broken: string | undefined; livedMs: number }> {
  const [a, b] = [first.steps[4]?.text, first.steps.at(-3)?.text];
  const begin = steps.find(({ text }) => text === a);
  const end = steps.findLast(({ text }) => text === b);
  const isBroken = begin !== undefined && end !== undefined && end.atMs - begin.atMs >= 1_000;
  return {
    broken: isBroken ? `slot web.${steps.length} has two` : undefined,
    livedMs: isBroken ? end.atMs : forMs,
  };
}

test("of a long history the steps are left that it takes, and little time", async () => {
  const { broken = "", livedMs } = await verdict(first);
  const { history } = await shrink({ history: cutAfter(first, livedMs), broken }, verdict);
  expect(history.steps.map(({ text }) => text)).toEqual([first.steps[4]?.text, first.steps.at(-3)?.text]);
  expect(history.forMs).toBeLessThan(10_000);
});

test("what breaks something else is no shorter history of this", async () => {
  const other = { history: first, broken: "a task changed its node" };
  expect((await shrink(other, verdict)).history).toBe(first);
});

test("a history is the same once it was text", () => {
  const text = formatScenario({ about: ["said"], history: first }, ["what happened"]);
  expect(parseScenario(text)).toEqual({ about: ["said"], history: first });
});
