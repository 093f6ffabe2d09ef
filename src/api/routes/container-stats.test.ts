import { afterEach, beforeEach, expect, test } from "vitest";
import type { ContainerUsage } from "../../model/index.ts";
import { systemClock } from "../../sys/index.ts";
import { aContainerInfo } from "../backends.fake.ts";
import { ServedNode } from "../served-node.fake.ts";

const ID = "ab".repeat(32);
let node: ServedNode;

beforeEach(async () => {
  node = await ServedNode.start(systemClock);
  node.backends.containers.put(aContainerInfo({ id: ID, name: "web" }));
  node.backends.containers.usages.set(ID, usage(1_000));
});
afterEach(() => node[Symbol.asyncDispose]());

function usage(cpuNs: number): ContainerUsage {
  const counters = { bytes: 1, packets: 2, errors: 0, dropped: 0 };
  return {
    at: 1_795_651_200_000,
    cpu: { totalNs: cpuNs, userNs: 1, kernelNs: 2, limited: { periods: 0, reached: 0, ns: 0 } },
    machine: { cpuNs: 9_000, cpus: 2, memoryBytes: 1 << 30 },
    memory: { bytes: 4096, refusals: 0, counters: { inactive_file: 96 } },
    blockIo: [{ major: 8, minor: 0, op: "read", bytes: 512, count: 1 }],
    pids: { current: 3 },
    interfaces: { eth0: { received: counters, sent: counters } },
  };
}

test("once, with nothing before it", async () => {
  expect(await node.get("/containers/web/stats?stream=false&one-shot=true")).toEqual({
    ...{ name: "/web", id: ID, read: "2026-11-26T00:00:00Z", preread: "0001-01-01T00:00:00Z" },
    ...{ num_procs: 0, storage_stats: {}, pids_stats: { current: 3 } },
    blkio_stats: {
      io_service_bytes_recursive: [{ major: 8, minor: 0, op: "read", value: 512 }],
      io_serviced_recursive: [{ major: 8, minor: 0, op: "read", value: 1 }],
      ...{ io_queue_recursive: null, io_service_time_recursive: null, io_wait_time_recursive: null },
      ...{ io_merged_recursive: null, io_time_recursive: null, sectors_recursive: null },
    },
    cpu_stats: {
      cpu_usage: { total_usage: 1_000, usage_in_kernelmode: 2, usage_in_usermode: 1 },
      ...{ system_cpu_usage: 9_000, online_cpus: 2 },
      throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
    },
    precpu_stats: {
      cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
      throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
    },
    memory_stats: { usage: 4096, stats: { inactive_file: 96 }, limit: 1 << 30 },
    networks: {
      eth0: {
        ...{ rx_bytes: 1, rx_packets: 2, rx_errors: 0, rx_dropped: 0 },
        ...{ tx_bytes: 1, tx_packets: 2, tx_errors: 0, tx_dropped: 0 },
      },
    },
  });
});

test("once, with what was before", async () => {
  expect(await node.get("/containers/web/stats?stream=0")).toMatchObject({
    precpu_stats: { system_cpu_usage: 9_000 },
  });
});

test("of one that does not run there is its name", async () => {
  node.backends.containers.exit(ID);
  for (const query of ["stream=0", "stream=0&one-shot=1"]) {
    expect(await node.get(`/containers/web/stats?${query}`)).toMatchObject({
      ...{ name: "/web", id: ID, read: "0001-01-01T00:00:00Z", memory_stats: {}, pids_stats: {} },
    });
  }
});

test("a stream goes on when the container ends, and ends when it is gone", async () => {
  const asked = node.ask("GET", "/containers/web/stats");
  node.backends.containers.exit(ID);
  await expect.poll(() => node.backends.containers.looks).toBeGreaterThan(1);
  await node.backends.containers.remove(ID, { force: true });
  const rows = (await asked).text
    .trim()
    .split("\n")
    .map((row) => JSON.parse(row));
  expect(rows.length).toBeGreaterThan(1);
  expect(rows.at(-1)).toMatchObject({ name: "/web", id: ID, memory_stats: {} });
});

test("what is not there, and what does not go together, is refused in Docker's words", async () => {
  expect(await node.ask("GET", "/containers/nope/stats")).toMatchObject({
    status: 404,
    text: '{"message":"No such container: nope"}\n',
  });
  expect(await node.ask("GET", "/containers/web/stats?one-shot=1")).toMatchObject({ status: 400 });
});
