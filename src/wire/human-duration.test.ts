import { expect, test } from "vitest";
import { humanDuration } from "./human-duration.ts";

const [S, M, H] = [1000, 60_000, 3_600_000];
const D = 24 * H;

/** go-units' own table (duration_test.go). */
test.each([
  [450, "Less than a second"],
  [S, "1 second"],
  [45 * S, "45 seconds"],
  [46 * S, "46 seconds"],
  [59 * S, "59 seconds"],
  [60 * S, "About a minute"],
  [90 * S, "About a minute"],
  [3 * M, "3 minutes"],
  [35 * M, "35 minutes"],
  [45 * M, "45 minutes"],
  [60 * M, "About an hour"],
  [90 * M, "2 hours"],
  [3 * H + 59 * M + 59 * S, "4 hours"],
  [24 * H, "24 hours"],
  [36 * H, "36 hours"],
  [2 * D, "2 days"],
  [7 * D, "7 days"],
  [13 * D + 5 * H, "13 days"],
  [2 * 7 * D, "2 weeks"],
  [2 * 7 * D + 4 * D, "2 weeks"],
  [30 * D, "4 weeks"],
  [60 * D, "2 months"],
  [362 * D, "12 months"],
  [365 * D, "12 months"],
  [2 * 365 * D, "2 years"],
  [3 * 365 * D, "3 years"],
])("%s ms: %s", (ms, words) => {
  expect(humanDuration(ms)).toBe(words);
});
