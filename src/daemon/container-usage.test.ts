import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { usageOfV1, usageOfV2 } from "./cgroup-usage.ts";
import { foldersIn, interfacesIn, machineCpu } from "./container-usage.ts";

/** What kernels say of a container, in their form. */
const V1: Readonly<Record<string, string>> = {
  "cpuacct/cpuacct.usage": "1234567890\n",
  "cpuacct/cpuacct.usage_percpu": "1000000000 234567890 \n",
  "cpuacct/cpuacct.stat": "user 70\nsystem 52\n",
  "cpu/cpu.stat": "nr_periods 10\nnr_throttled 3\nthrottled_time 45000\n",
  "memory/memory.usage_in_bytes": "8192000\n",
  "memory/memory.max_usage_in_bytes": "9000000\n",
  "memory/memory.limit_in_bytes": "67108864\n",
  "memory/memory.failcnt": "2\n",
  "memory/memory.stat": "cache 4096\nrss 8192\ntotal_inactive_file 1024\n",
  "blkio/blkio.throttle.io_service_bytes":
    "254:0 Read 4096\n254:0 Write 8192\n254:0 Sync 12288\n254:0 Total 12288\nTotal 12288\n",
  "blkio/blkio.throttle.io_serviced": "254:0 Read 1\n254:0 Write 2\n254:0 Sync 3\n254:0 Total 3\nTotal 3\n",
  "pids/pids.current": "3\n",
  "pids/pids.max": "50\n",
};
const V2: Readonly<Record<string, string>> = {
  "cpu.stat":
    "usage_usec 1234567\nuser_usec 700000\nsystem_usec 534567\nnr_periods 10\nnr_throttled 3\nthrottled_usec 45\n",
  "memory.current": "8192000\n",
  "memory.max": "67108864\n",
  "memory.events": "low 0\nhigh 0\nmax 2\noom 1\noom_kill 1\n",
  "memory.stat": "anon 8192\nfile 4096\ninactive_file 1024\n",
  "io.stat": "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n",
  "pids.current": "3\n",
  "pids.max": "max\n",
};
const of = (files: Readonly<Record<string, string>>) => (name: string) => files[name] ?? "";

describe("a cgroup", () => {
  test("of version 1", () => {
    expect(usageOfV1(of(V1))).toEqual({
      cpu: {
        ...{ totalNs: 1_234_567_890, userNs: 700_000_000, kernelNs: 520_000_000 },
        perCpuNs: [1_000_000_000, 234_567_890],
        limited: { periods: 10, reached: 3, ns: 45_000 },
      },
      memory: {
        ...{ bytes: 8_192_000, mostBytes: 9_000_000, limitBytes: 67_108_864, refusals: 2 },
        counters: { cache: 4096, rss: 8192, total_inactive_file: 1024 },
      },
      blockIo: [
        { major: 254, minor: 0, op: "read", bytes: 4096, count: 1 },
        { major: 254, minor: 0, op: "write", bytes: 8192, count: 2 },
        { major: 254, minor: 0, op: "sync", bytes: 12288, count: 3 },
      ],
      pids: { current: 3, limit: 50 },
    });
  });

  test("of version 2", () => {
    expect(usageOfV2(of(V2))).toEqual({
      cpu: {
        ...{ totalNs: 1_234_567_000, userNs: 700_000_000, kernelNs: 534_567_000 },
        limited: { periods: 10, reached: 3, ns: 45_000 },
      },
      memory: {
        ...{ bytes: 8_192_000, limitBytes: 67_108_864, refusals: 2 },
        counters: { anon: 8192, file: 4096, inactive_file: 1024 },
      },
      blockIo: [
        { major: 254, minor: 0, op: "read", bytes: 4096, count: 1 },
        { major: 254, minor: 0, op: "write", bytes: 8192, count: 2 },
      ],
      pids: { current: 3 },
    });
  });

  test("without a limit of its memory", () => {
    const none = { ...V1, "memory/memory.limit_in_bytes": "9223372036854771712\n" };
    expect(usageOfV1(of(none)).memory.limitBytes).toBeUndefined();
    expect(usageOfV2(of({ ...V2, "memory.max": "max\n" })).memory.limitBytes).toBeUndefined();
  });

  test("whatever a kernel lacks or says, numbers come of it", () => {
    const text = fc.oneof(fc.string(), fc.constantFrom(...Object.values(V1), ...Object.values(V2)));
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...Object.keys(V1), ...Object.keys(V2)), text), (files) => {
        const { perCpuNs: _, ...cpu } = usageOfV1(of(files)).cpu;
        expect(JSON.stringify([cpu, usageOfV2(of(files))])).not.toMatch(/null|NaN/);
      }),
    );
  });
});

test("a process's cgroups, by controller", () => {
  const v1 = "9:name=systemd:/shoal/ab\n4:memory:/shoal/ab\n2:cpu,cpuacct:/shoal/ab\n0::/\n";
  expect(foldersIn(v1).get("cpuacct")).toBe("/shoal/ab");
  expect(foldersIn("0::/shoal/ab\n").get("")).toBe("/shoal/ab");
});

test("the machine's CPU time is idle time too, guests' time not twice", () => {
  const stat = "cpu  10 1 5 100 2 0 3 4 9 9\ncpu0 5 0 2 50 1 0 1 2 4 4\ncpu1 5 1 3 50 1 0 2 2 5 5\nintr 1\n";
  expect(machineCpu(stat)).toEqual({ cpuNs: 121 * 10_000_000, cpus: 2 });
});

test("interfaces, but loopback", () => {
  const text = [
    "Inter-|   Receive                                                |  Transmit",
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed",
    "    lo: 596 10    0    0    0     0          0         0 596 10    0    0    0     0       0          0",
    "  eth0:1500 2    3    4    0     0          0         0 2500 5    6    7    0     0       0          0",
    "",
  ].join("\n");
  expect(interfacesIn(text)).toEqual({
    eth0: {
      received: { bytes: 1500, packets: 2, errors: 3, dropped: 4 },
      sent: { bytes: 2500, packets: 5, errors: 6, dropped: 7 },
    },
  });
  expect(interfacesIn("")).toEqual({});
});
