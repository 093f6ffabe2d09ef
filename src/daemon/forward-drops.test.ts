import { expect, test } from "vitest";
import { FakeClock } from "../lib/index.ts";
import { ForwardDrops } from "./forward-drops.ts";

test("the firewall is looked at once for many, and again after a while, for which nobody waits", async () => {
  const clock = new FakeClock();
  const answers: ((warnings: string[]) => void)[] = [];
  const drops = new ForwardDrops(clock, () => new Promise((resolve) => answers.push(resolve)));
  const first = Promise.all([drops.warnings(), drops.warnings()]);
  expect(answers).toHaveLength(1);
  answers[0]?.(["one"]);
  expect(await first).toEqual([["one"], ["one"]]);
  await clock.advance(9_999);
  expect(await drops.warnings()).toEqual(["one"]);
  await clock.advance(1);
  expect(await drops.warnings()).toEqual(["one"]);
  expect(await drops.warnings()).toEqual(["one"]);
  expect(answers).toHaveLength(2);
  answers[1]?.([]);
  await clock.advance(0);
  expect(await drops.warnings()).toEqual([]);
});

test("a firewall that cannot be looked at warns of nothing", async () => {
  const drops = new ForwardDrops(new FakeClock(), () => Promise.reject(new Error("no nft")));
  expect(await drops.warnings()).toEqual([]);
});
