import fc from "fast-check";
import { expect, test } from "vitest";
import { FakeClock } from "../lib/index.ts";
import type { SentLogLine } from "../rpc/index.ts";
import { Credit } from "./credit.ts";
import { LINGER_MS, LineBatch } from "./line-batch.ts";

function make(free = 1_000) {
  const clock = new FakeClock();
  const credit = new Credit(free);
  const stop = new AbortController();
  const sent: string[][] = [];
  const batch = new LineBatch({
    ...{ clock, credit, signal: stop.signal, lingers: true },
    send: (lines) => void sent.push(lines.map(({ line }) => new TextDecoder().decode(line))),
  });
  return { clock, credit, stop, sent, batch };
}

const line = (text: string): SentLogLine => ({
  ...{ taskId: "t", at: 1n, stream: "stdout" },
  line: new TextEncoder().encode(text),
});

test("a lone line goes after the linger, and the next one after its own", async () => {
  const { clock, sent, batch } = make();
  await batch.add(line("a"));
  await clock.advance(LINGER_MS);
  expect(sent).toEqual([["a"]]);
  await clock.advance(LINGER_MS / 2);
  await batch.add(line("b"));
  await clock.advance(LINGER_MS - 1);
  expect(sent).toHaveLength(1);
  await clock.advance(1);
  expect(sent).toEqual([["a"], ["b"]]);
});

test("the end does not wait", async () => {
  const { sent, batch } = make();
  await batch.add(line("a"));
  await batch.flush();
  await batch.flush();
  expect(sent).toEqual([["a"]]);
});

test("without credit lines wait together, and go with the next that is given", async () => {
  const { clock, credit, sent, batch } = make(0);
  await batch.add(line("a"));
  await clock.advance(10 * LINGER_MS);
  await batch.add(line("b"));
  await clock.advance(10 * LINGER_MS);
  expect(sent).toEqual([]);
  credit.give(1);
  await clock.advance(0);
  expect(sent).toEqual([["a", "b"]]);
});

test("the reader's leaving ends the wait for credit", async () => {
  const { stop, sent, batch } = make(0);
  await batch.add(line("a"));
  const waiting = batch.flush();
  stop.abort(new Error("the reader left"));
  await expect(waiting).rejects.toThrow("the reader left");
  expect(sent).toEqual([]);
});

test("whatever the arrivals and the credit, the same lines come in the same order, in bounded messages", async () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ add: fc.integer({ min: 1, max: 450 }) }),
      fc.record({ wait: fc.integer({ min: 0, max: 50 }) }),
      fc.record({ give: fc.integer({ min: 1, max: 3 }) }),
    ),
    { maxLength: 20 },
  );
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 0, max: 3 }), async (steps, free) => {
      const { clock, credit, sent, batch } = make(free);
      const said: string[] = [];
      const speak = async (n: number) => {
        for (let i = 0; i < n; i++) {
          said.push(`${said.length}`);
          await batch.add(line(said.at(-1) ?? ""));
        }
      };
      let speaking = Promise.resolve();
      let given = free;
      for (const step of steps) {
        if ("add" in step) speaking = speaking.then(() => speak(step.add));
        else if ("wait" in step) await clock.advance(step.wait);
        else {
          given += step.give;
          credit.give(step.give);
        }
        expect(sent.length).toBeLessThanOrEqual(given);
      }
      const ending = speaking.then(() => batch.flush());
      credit.give(10_000);
      await ending;
      expect(sent.flat()).toEqual(said);
      expect(sent.every((lines) => lines.length > 0 && lines.length <= 200)).toBe(true);
    }),
    { numRuns: 50 },
  );
});
