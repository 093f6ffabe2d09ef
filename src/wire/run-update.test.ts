import { expect, test } from "vitest";
import { runChangeFromWire } from "./run-update.ts";

test("limits and a rule that were said; zeros, which CLIs send for the rest, change nothing", () => {
  const zeros = {
    BlkioWeight: 0,
    CpuPeriod: 0,
    Devices: [],
    CgroupParent: "",
    Ulimits: null,
    PidsLimit: null,
  };
  expect(runChangeFromWire({ ...zeros, RestartPolicy: { Name: "" } })).toEqual({ limits: {} });
  const more = {
    Memory: 8 << 20,
    MemorySwap: -1,
    NanoCpus: 5e8,
    PidsLimit: 9,
    CpuShares: 7,
    CpusetCpus: "0",
  };
  expect(runChangeFromWire({ ...zeros, ...more, RestartPolicy: { Name: "always" } })).toEqual({
    restart: { name: "always", most: 0 },
    limits: {
      ...{ memoryBytes: 8 << 20, memorySwapBytes: -1, nanoCpus: 5e8, pids: 9, cpuShares: 7, cpusetCpus: "0" },
    },
  });
});

test("what cannot be changed is said by its field", () => {
  expect(() => runChangeFromWire({ BlkioWeight: 5 })).toThrow("cannot change BlkioWeight of a container");
  expect(() => runChangeFromWire({ Memory: 1000 })).toThrow("Minimum memory limit allowed is 6MB");
  expect(() => runChangeFromWire({ Luck: 1 })).toThrow("unknown field Luck");
});
