import { expect, test } from "vitest";
import { signalNumber } from "./signals.ts";

test.each([
  ["", 15],
  ["SIGTERM", 15],
  ["term", 15],
  ["9", 9],
  ["SIGUSR1", 10],
  ["RTMIN", 34],
  ["SIGRTMIN+3", 37],
  ["SIGRTMAX-1", 63],
  ["SIGWINCH", 28],
  ["64", 64],
])("%j is %i", (text, number) => {
  expect(signalNumber(text)).toBe(number);
});

test.each(["SIGNO", "0", "65", "-9", "RTMIN-1", "RTMAX+1", "9x", "TERM KILL"])("%j is none", (text) => {
  expect(() => signalNumber(text)).toThrow(`invalid signal: ${text}`);
});
