import { expect, test } from "vitest";
import { type Machine, parseLimits } from "./machine.ts";
import { capabilitiesOf } from "./spec-capabilities.ts";
import { oomScoreOf, resourcesOf, rlimitsOf } from "./spec-resources.ts";

const small: Machine = {
  arch: "x64",
  kernel: "6.1.0",
  cgroupVersion: 1,
  canLimitSwap: true,
  capabilities: capabilitiesOf("1fffeffffff"),
  hardLimits: { RLIMIT_NOFILE: 1000, RLIMIT_CORE: -1 },
};
const big: Machine = { ...small, canLimitSwap: false, capabilities: capabilitiesOf("1ffffffffff") };

test("limits become cgroup numbers; none is left out", () => {
  expect(resourcesOf({}, small)).toEqual({ devices: expect.any(Array) });
  expect(resourcesOf({ memoryBytes: 1000, nanoCpus: 1_500_000_000, pids: 7 }, small)).toMatchObject({
    memory: { limit: 1000, swap: 2000 },
    cpu: { period: 100_000, quota: 150_000 },
    pids: { limit: 7 },
  });
  expect(resourcesOf({ memoryBytes: 1000 }, big).memory).toEqual({ limit: 1000 });
  expect(resourcesOf({ memoryReservationBytes: 500 }, small).memory).toEqual({ reservation: 500 });
  expect(resourcesOf({ memoryBytes: 1000, memoryReservationBytes: 500 }, small).memory).toEqual({
    ...{ limit: 1000, swap: 2000, reservation: 500 },
  });
});

test("swap may be another number than memory, or without end; CPUs have shares and sets", () => {
  expect(resourcesOf({ memoryBytes: 1000, memorySwapBytes: -1 }, small).memory).toEqual({
    ...{ limit: 1000, swap: -1 },
  });
  expect(resourcesOf({ memoryBytes: 1000, memorySwapBytes: 1500 }, small).memory?.swap).toBe(1500);
  expect(resourcesOf({ memoryBytes: 1000, memorySwapBytes: 1500 }, big).memory).toEqual({ limit: 1000 });
  expect(resourcesOf({ cpuShares: 512, cpusetCpus: "0-1", cpusetMems: "0" }, small).cpu).toEqual({
    ...{ shares: 512, cpus: "0-1", mems: "0" },
  });
});

test("ulimits go as high as the machine lets us", () => {
  const nofile = { name: "nofile", soft: 5000, hard: -1 };
  expect(rlimitsOf([nofile], small)).toEqual([{ type: "RLIMIT_NOFILE", soft: 1000, hard: 1000 }]);
  expect(rlimitsOf([nofile], big)).toEqual([{ type: "RLIMIT_NOFILE", soft: 5000, hard: -1 }]);
  expect(rlimitsOf([{ name: "core", soft: -1, hard: -1 }], small)).toEqual([
    { type: "RLIMIT_CORE", soft: -1, hard: -1 },
  ]);
  expect(() => rlimitsOf([{ name: "luck", soft: 1, hard: 1 }], big)).toThrow("invalid ulimit type: luck");
});

test("an OOM score below ours needs its capability", () => {
  expect([500, 0, -5, undefined].map((score) => oomScoreOf(score, small))).toEqual([
    500,
    0,
    undefined,
    undefined,
  ]);
  expect(oomScoreOf(-5, big)).toBe(-5);
});

test("our own limits are read by their hard column", () => {
  const text = [
    "Limit                     Soft Limit           Hard Limit           Units     ",
    "Max cpu time              unlimited            unlimited            seconds   ",
    "Max open files            1024                 524288               files     ",
    "Max nice priority         0                    0                    ",
  ].join("\n");
  expect(parseLimits(text)).toEqual({ RLIMIT_CPU: -1, RLIMIT_NOFILE: 524288, RLIMIT_NICE: 0 });
});
