import { expect, test } from "vitest";
import { FakeClock } from "./clock.fake.ts";
import { Gate } from "./gate.ts";

function pieces(count: number, gate: Gate) {
  const log: string[] = [];
  const ends: (() => void)[] = [];
  const done = Array.from({ length: count }, (_, i) =>
    gate.run(async () => {
      log.push(`begin ${i}`);
      await new Promise<void>((resolve) => {
        ends[i] = resolve;
      });
      log.push(`end ${i}`);
    }),
  );
  return { log, end: (i: number) => ends[i]?.(), done };
}

test("so many run at once; a place goes to who waits longest", async () => {
  const clock = new FakeClock();
  const { log, end, done } = pieces(4, new Gate(2, { ms: 1_000, clock }));
  await clock.advance(1);
  expect(log).toEqual(["begin 0", "begin 1"]);
  end(1);
  await clock.advance(1);
  expect(log).toEqual(["begin 0", "begin 1", "end 1", "begin 2"]);
  for (const i of [0, 2]) end(i);
  await clock.advance(1);
  end(3);
  await Promise.all(done);
  expect(log.at(-1)).toBe("end 3");
});

test("what hangs holds nobody up for ever", async () => {
  const clock = new FakeClock();
  const gate = new Gate(1, { ms: 1_000, clock });
  const { log, end } = pieces(3, gate);
  await clock.advance(999);
  expect(log).toEqual(["begin 0"]);
  await clock.advance(1);
  expect(log).toEqual(["begin 0", "begin 1", "begin 2"]);
  // Those that went without a place give none back.
  end(1);
  const late = gate.run(() => Promise.resolve("late"));
  let turn = "";
  void late.then((word) => {
    turn = word;
  });
  await clock.advance(1);
  expect(turn).toBe("");
  end(0);
  await clock.advance(1);
  expect(turn).toBe("late");
});

test("work that throws gives its place back", async () => {
  const gate = new Gate(1);
  const failing = gate.run(() => Promise.reject(new Error("no")));
  const next = gate.run(() => Promise.resolve(1));
  expect(gate.isIdle).toBe(false);
  await expect(failing).rejects.toThrow("no");
  expect(await next).toBe(1);
  expect(gate.isIdle).toBe(true);
});
