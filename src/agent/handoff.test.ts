import { expect, test } from "vitest";
import { Handoff } from "./handoff.ts";

const never = new AbortController().signal;

test("who puts waits until the reader has done with the piece", async () => {
  const handoff = new Handoff<number>();
  const log: string[] = [];
  const putting = (async () => {
    for (const piece of [1, 2]) {
      await handoff.put(piece, never);
      log.push(`taken ${piece}`);
    }
    handoff.end();
  })();
  for await (const piece of handoff) log.push(`read ${piece}`);
  await putting;
  expect(log).toEqual(["read 1", "taken 1", "read 2", "taken 2"]);
});

test("who waits for a reader that never comes is let go by the signal", async () => {
  const handoff = new Handoff<number>();
  const stop = new AbortController();
  const putting = handoff.put(1, stop.signal);
  stop.abort(new Error("over"));
  await putting;
  await handoff.put(2, stop.signal);
});
