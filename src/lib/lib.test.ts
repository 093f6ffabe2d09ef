import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FakeClock } from "./clock.fake.ts";
import { sleep, withDeadline } from "./clock.ts";
import { deepFreeze, equal } from "./equal.ts";
import { Fault } from "./errors.ts";
import { runGroup } from "./group.ts";
import { newId, randomHex } from "./ids.ts";
import { Queue } from "./queue.ts";
import { randomFloat, randomInt, seededRandom } from "./random.ts";

describe("equal()", () => {
  test("agrees with the JSON texts of values whose keys are in one order", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        expect(equal(a, structuredClone(a))).toBe(true);
        if (!equal(a, b)) expect(JSON.stringify(a)).not.toBe(JSON.stringify(b));
      }),
    );
  });

  test("takes a missing field for an undefined one, and an array for no object", () => {
    expect(equal({ a: 1 }, { a: 1, b: undefined })).toBe(true);
    expect(equal({ a: 1 }, { a: 1, b: null })).toBe(false);
    expect(equal([], {})).toBe(false);
    expect(equal([1, 2], [2, 1])).toBe(false);
  });
});

test("deepFreeze() freezes all the way down", () => {
  const value = deepFreeze({ a: [{ b: 1 }] });
  expect(() => {
    value.a[0]!.b = 2;
  }).toThrow(TypeError);
});

describe("sleep() and withDeadline()", () => {
  test("a sleep ends at its time, or with the signal's reason", async () => {
    const clock = new FakeClock();
    let woke = false;
    const slept = sleep(clock, 100).then(() => (woke = true));
    await clock.advance(99);
    expect(woke).toBe(false);
    await clock.advance(1);
    await slept;
    const aborter = new AbortController();
    const broken = sleep(clock, 100, aborter.signal);
    aborter.abort(new Error("enough"));
    await expect(broken).rejects.toThrow("enough");
    await expect(sleep(clock, 1, aborter.signal)).rejects.toThrow("enough");
  });

  test("a deadline tells the work to stop, and names itself", async () => {
    const clock = new FakeClock();
    let told: unknown;
    const late = withDeadline(clock, 50, "too late", async (signal) => {
      signal.addEventListener("abort", () => (told = signal.reason));
      await sleep(clock, 100);
    });
    const settled = expect(late).rejects.toThrow("too late");
    await clock.advance(50);
    await settled;
    expect(Fault.is(told, "timeout")).toBe(true);
    await clock.advance(100);
    expect(await withDeadline(clock, 50, "too late", async () => 7)).toBe(7);
  });
});

describe("runGroup()", () => {
  test("one part's failure stops the others, and is thrown once all have ended", async () => {
    const ended: string[] = [];
    const waits = async (signal: AbortSignal) => {
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      ended.push("waiting part");
    };
    const fails = async () => {
      throw new Error("broken");
    };
    await expect(runGroup([waits, fails], new AbortController().signal)).rejects.toThrow("broken");
    expect(ended).toEqual(["waiting part"]);
  });

  test("ends quietly when told to stop", async () => {
    const aborter = new AbortController();
    const group = runGroup([(signal) => sleep(new FakeClock(), 1e6, signal)], aborter.signal);
    aborter.abort();
    await group;
  });
});

describe("Queue", () => {
  test("delivers in order, also what was queued before close()", async () => {
    const queue = new Queue<number>();
    queue.push(1);
    const seen: number[] = [];
    const reading = (async () => {
      for await (const item of queue) seen.push(item);
    })();
    queue.push(2);
    await Promise.resolve();
    queue.push(3);
    queue.close();
    queue.push(4);
    await reading;
    expect(seen).toEqual([1, 2, 3]);
  });

  test("takes nothing more once its reader has left", async () => {
    const queue = new Queue<number>();
    queue.push(1);
    for await (const _ of queue) break;
    queue.push(2);
    expect(queue.size).toBe(0);
  });
});

describe("ids and chance", () => {
  test("ids are 25 characters of base 36, also for the smallest and greatest bytes", () => {
    expect(newId({ bytes: (n) => new Uint8Array(n) })).toBe("0".repeat(25));
    expect(newId({ bytes: (n) => new Uint8Array(n).fill(255) })).toMatch(/^[0-9a-z]{25}$/);
    expect(randomHex({ bytes: (n) => new Uint8Array(n).fill(10) }, 3)).toBe("0a0a0a");
  });

  test("a seed repeats, and numbers stay in their range", () => {
    const [a, b] = [seededRandom(7), seededRandom(7)];
    expect(newId(a)).toBe(newId(b));
    for (let i = 0; i < 200; i++) {
      expect(randomInt(a, 10)).toBeLessThan(10);
      expect(randomFloat(a)).toBeLessThan(1);
    }
  });
});
