import { beforeEach, expect, test } from "vitest";
import { FakeClock, Fault, silentLog } from "../lib/index.ts";
import { type BeatSession, PacedHeart } from "./heart.ts";

/** A heart, with lines that a test plays. */

interface Line {
  readonly address: string;
  readonly beats: string[];
  isOpen: boolean;
}

let clock: FakeClock;
let lines: Line[];
let answer: () => Promise<number>;
let isWell: boolean;
let heart: PacedHeart;

beforeEach(() => {
  clock = new FakeClock();
  lines = [];
  answer = async () => 5_000;
  isWell = true;
  heart = new PacedHeart({
    openLine(address) {
      const line: Line = { address, beats: [], isOpen: true };
      lines.push(line);
      return {
        beat(sessionId) {
          line.beats.push(sessionId);
          return answer();
        },
        close() {
          line.isOpen = false;
        },
      };
    },
    isWell: () => isWell,
    clock,
    log: silentLog,
  });
});

const session = (sessionId: string, periodMs = 5_000): BeatSession => ({
  ...{ address: "a:2377", sessionId, periodMs },
});
const beats = () => lines.flatMap((line) => line.beats);

test("it beats at the pace that the manager asks for, also when that changes", async () => {
  heart.follow(session("s", 1_000));
  answer = async () => 10_000;
  await clock.advance(999);
  expect(beats()).toEqual([]);
  await clock.advance(1);
  expect(beats()).toEqual(["s"]);
  await clock.advance(9_999);
  expect(beats()).toHaveLength(1);
  await clock.advance(1);
  expect(beats()).toEqual(["s", "s"]);
  expect(lines).toHaveLength(1);
});

test("a new session takes the place of the old one, and none means silence", async () => {
  heart.follow(session("one"));
  await clock.advance(5_000);
  heart.follow({ ...session("two"), address: "b:2377" });
  await clock.advance(5_000);
  heart.follow(undefined);
  await clock.advance(60_000);
  expect(lines.map(({ address, beats, isOpen }) => [address, beats, isOpen])).toEqual([
    ["a:2377", ["one"], false],
    ["b:2377", ["two"], false],
  ]);
});

test("a beat that does not get through is tried again after a second", async () => {
  heart.follow(session("s"));
  answer = () => Promise.reject(new Fault("unavailable", "cannot reach a manager"));
  await clock.advance(5_000 + 3_000);
  expect(beats()).toHaveLength(4);
  answer = async () => 5_000;
  await clock.advance(1_000);
  await clock.advance(4_999);
  expect(beats()).toHaveLength(5);
});

test("a session that is over gets no more beats", async () => {
  heart.follow(session("s"));
  answer = () => Promise.reject(new Fault("not-found", "that session is over"));
  await clock.advance(60_000);
  expect(beats()).toHaveLength(1);
  expect(lines[0]?.isOpen).toBe(false);
});

test("it is still while the agent is stuck, and goes on when it is not", async () => {
  heart.follow(session("s"));
  await clock.advance(5_000);
  isWell = false;
  await clock.advance(60_000);
  expect(beats()).toHaveLength(1);
  isWell = true;
  await clock.advance(5_000);
  expect(beats()).toHaveLength(2);
});

test("an answer that comes after the session has gone starts nothing", async () => {
  let late = (_: number) => {};
  heart.follow(session("s"));
  answer = () => new Promise((resolve) => (late = resolve));
  await clock.advance(5_000);
  heart.follow(undefined);
  late(1_000);
  await clock.advance(60_000);
  expect(beats()).toHaveLength(1);
});
