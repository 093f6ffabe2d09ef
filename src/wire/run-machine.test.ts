import { expect, test } from "vitest";
import { machineToWire } from "./run-machine.ts";
import { runSpecFromWire } from "./run-spec.ts";

const read = (HostConfig: object, more: object = {}) =>
  runSpecFromWire({ Image: "app", HostConfig, ...more });
const refusal = (host: object, more: object = {}): string => {
  try {
    read(host, more);
    return "served";
  } catch (error) {
    const { kind, message } = error as { kind: string; message: string };
    return `${kind}: ${message}`;
  }
};

/** As CLI 28 sends them. */
const WORDS = {
  ...{ Privileged: true, PidMode: "host", IpcMode: "host", UTSMode: "host", ShmSize: 1 << 20 },
  Devices: [{ PathOnHost: "/dev/fuse", PathInContainer: "/dev/f", CgroupPermissions: "rw" }],
  ...{ CpuShares: 512, CpusetCpus: "0-2,7", CpusetMems: "0", MemorySwap: -1 },
};

test("what lets a container into its machine is read, and written as it was said", () => {
  const { machine } = read(WORDS);
  expect(machine).toEqual({
    isPrivileged: true,
    hostNamespaces: ["pid", "ipc", "uts"],
    devices: [{ source: "/dev/fuse", target: "/dev/f", access: "rw" }],
    shmBytes: 1 << 20,
    limits: { cpuShares: 512, cpusetCpus: "0-2,7", cpusetMems: "0", memorySwapBytes: -1 },
  });
  expect(machine && machineToWire(machine)).toEqual(WORDS);
});

test("what was not said is not there", () => {
  expect(read({ IpcMode: "", PidMode: "", Devices: [], ShmSize: 0, MemorySwap: 0 }).machine).toBeUndefined();
  const [device] = read({ Devices: [{ PathOnHost: "/dev/fuse" }] }).machine?.devices ?? [];
  expect(device).toEqual({ source: "/dev/fuse", target: "/dev/fuse", access: "rwm" });
});

test.each([
  [{ PidMode: "container:x" }, "unsupported: cannot use --pid container:x: private, host are what is served"],
  [{ Memory: 1000 }, "invalid: Minimum memory limit allowed is 6MB"],
  [
    { MemorySwap: 1 << 30 },
    "invalid: You should always set the Memory limit when using Memoryswap limit, see usage",
  ],
  [
    { Memory: 1 << 30, MemorySwap: 1 << 29 },
    "invalid: Minimum memoryswap limit should be larger than memory limit, see usage",
  ],
  [{ CpusetCpus: "all" }, "invalid: Invalid value all for cpuset cpus"],
  [{ CpusetMems: "0," }, "invalid: Invalid value 0, for cpuset mems"],
  [{ Devices: [{ PathOnHost: "/dev/x", CgroupPermissions: "a" }] }, "invalid: invalid device mode: a"],
])("%j is refused", (host, message) => {
  expect(refusal(host)).toBe(message);
});

test("a name of its own needs a namespace of its own for it", () => {
  expect(refusal({ UTSMode: "host" }, { Hostname: "me" })).toBe(
    "invalid: conflicting options: hostname and the UTS mode",
  );
});

test("the host's gateway may stand for an address", () => {
  expect(read({ ExtraHosts: ["up:host-gateway", "a:1.2.3.4"] }).container.hosts).toEqual([
    "host-gateway up",
    "1.2.3.4 a",
  ]);
  expect(refusal({ ExtraHosts: ["up:nowhere"] })).toMatch(/^invalid: invalid IP address/);
});
