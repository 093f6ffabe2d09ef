import { expect, test } from "vitest";
import { isUndelivered } from "./sockets.ts";

/** As Linux prints them, cut behind the queues. */
const LINES: readonly (readonly [state: string, isUndelivered: boolean, line: string])[] = [
  ["listening", false, "   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000"],
  ["established", false, "   1: 0800000A:0050 320200C0:9C4E 01 00000000:00000000 00:00000000 00000000"],
  ["FIN_WAIT1", true, "  12: 0800000A:0050 320200C0:9C50 04 0003D090:00000000 01:00000014 00000000"],
  ["FIN_WAIT2", false, "  13: 0800000A:0050 320200C0:9C52 05 00000000:00000000 02:00000A14 00000000"],
  ["TIME_WAIT", false, "  14: 0800000A:0050 320200C0:9C54 06 00000000:00000000 03:00001770 00000000"],
  ["LAST_ACK", true, " 115: 0800000A:0050 320200C0:9C56 09 00000001:00000000 01:00000014 00000000"],
  ["CLOSING", true, " 116: 0800000A:0050 320200C0:9C58 0B 00000001:00000000 01:00000014 00000000"],
  ["nothing", false, ""],
];

test.each(LINES)("%s: something is left to deliver: %s", (_state, expected, line) => {
  expect(isUndelivered(line)).toBe(expected);
});
