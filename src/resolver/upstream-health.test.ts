import { expect, test } from "vitest";
import { FakeClock } from "../lib/index.ts";
import { UpstreamHealth } from "./upstream-health.ts";

const [a, b, c] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map((address) => ({ address })) as [
  { address: string },
  { address: string },
  { address: string },
];

function make() {
  const clock = new FakeClock();
  const health = new UpstreamHealth(clock);
  const say = (over: "udp" | "tcp" = "udp") => {
    const { inTurn, beside } = health.turnsOf([a, b, c], over);
    const last = (all: readonly { address: string }[]) =>
      all.map(({ address }) => address.slice(-1)).join("");
    return beside.length === 0 ? last(inTurn) : `${last(inTurn)}, beside ${last(beside)}`;
  };
  return { clock, health, say };
}

test("one that did not answer comes last, until it answers", () => {
  const { clock, health, say } = make();
  expect(say()).toBe("123");
  health.unanswered(a, "udp", clock.now());
  expect(say()).toBe("231");
  health.answered(a, "udp");
  expect(say()).toBe("123");
});

test("by the other protocol it is asked as ever", () => {
  const { clock, health, say } = make();
  health.unanswered(a, "tcp", clock.now());
  expect([say("udp"), say("tcp")]).toEqual(["123", "231"]);
});

test("it is tried again beside the others, once in each back-off, which grows to a minute", async () => {
  const { clock, health, say } = make();
  const tries: number[] = [];
  health.unanswered(a, "udp", clock.now());
  const begun = clock.now();
  for (let second = 1; second <= 300; second++) {
    await clock.advance(1000);
    for (let question = 0; question < 10; question++) {
      if (say() !== "23, beside 1") continue;
      tries.push((clock.now() - begun) / 1000);
      health.unanswered(a, "udp", clock.now());
    }
  }
  expect(tries).toEqual([1, 3, 7, 15, 31, 63, 123, 183, 243]);
});

test("while a try is under way there is no other", async () => {
  const { clock, health, say } = make();
  health.unanswered(a, "udp", clock.now());
  await clock.advance(1000);
  expect([say(), say(), say()]).toEqual(["23, beside 1", "231", "231"]);
});

test("many questions that were under way when it fell silent count once", async () => {
  const { clock, health, say } = make();
  const asked = clock.now();
  await clock.advance(2000);
  for (let i = 0; i < 50; i++) health.unanswered(a, "udp", asked);
  await clock.advance(1000);
  expect(say()).toBe("23, beside 1");
});

test("when all were silent, they are asked as if none was", () => {
  const { clock, health, say } = make();
  for (const upstream of [a, b, c]) health.unanswered(upstream, "udp", clock.now());
  expect(say()).toBe("123");
  health.answered(b, "udp");
  expect(say()).toBe("213");
});

test("of many that are silent the oldest are forgotten", () => {
  const { clock, health, say } = make();
  health.unanswered(a, "udp", clock.now());
  for (let i = 0; i < 256; i++) health.unanswered({ address: `198.51.100.${i}` }, "udp", clock.now());
  expect(say()).toBe("123");
});
