import { readdirSync, readlinkSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { ThreadKernel } from "../../src/kernel/index.ts";
import { silentLog } from "../../src/lib/index.ts";
import { EMPTY_NAMESPACE, HOST, type NodeNetwork } from "../../src/netstate/index.ts";
import { makeTestHost, type TestHost } from "../support/netns.ts";

/** What a kernel in a thread of its own must do besides what every kernel does: leave the daemon free, end, and die loudly. */

let host: TestHost | undefined;
afterEach(async () => {
  await host?.dispose();
  host = undefined;
});

const boxes = (count: number): NodeNetwork => {
  const names = Array.from({ length: count }, (_, i) => `box-${i}`);
  const veth = (name: string, namespace: string, peer: string) => ({
    ...{ kind: "veth" as const, name, mac: "02:42:ac:12:00:01", mtu: 1400 },
    peer: { namespace, name: peer },
  });
  const links = names.map((name, i) => veth(`sh-g${i}`, name, "eth0"));
  return {
    namespaces: {
      [HOST]: { ...EMPTY_NAMESPACE, links },
      ...Object.fromEntries(
        names.map((name, i) => [name, { ...EMPTY_NAMESPACE, links: [veth("eth0", HOST, `sh-g${i}`)] }]),
      ),
    },
  };
};

/** The process's descriptors of network namespaces, netlink sockets, and those kept for more; those of the threads too. */
const descriptors = (): number =>
  readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return /^(net:|socket:|\/dev\/null|\/run\/netns|\/tmp\/shoal-netns)/.test(
        readlinkSync(`/proc/self/fd/${fd}`),
      );
    } catch {
      return false; // It was the folder's own.
    }
  }).length;

/** The namespace that this thread is in. */
const here = (): string => readlinkSync("/proc/thread-self/ns/net");

test("while it works, this thread goes on, and stays in its namespace", async () => {
  host = await makeTestHost();
  const home = here();
  const kernel = host.threadKernel();
  await kernel.apply(boxes(0));
  let turns = 0;
  const seen = new Set<string>();
  let isDone = false;
  const turn = () => {
    turns++;
    seen.add(here());
    if (!isDone) setImmediate(turn);
  };
  turn();
  // Nothing is said before all is done: every turn was one beside the work.
  const { failures } = await kernel.apply(boxes(20));
  isDone = true;
  expect(failures).toEqual([]);
  expect(turns).toBeGreaterThan(20);
  expect([...seen]).toEqual([home]);
});

test("what it asks and hears comes over whole: faults, ports, changes by others", async () => {
  host = await makeTestHost();
  const kernel = host.threadKernel();
  expect(await kernel.portsInUse()).toEqual(new Set());
  expect(await kernel.undelivered("box-0")).toBe(0);
  expect(await kernel.lackOfSctp()).toMatch(/^$|^this kernel does not follow SCTP connections/);
  expect(await kernel.lackOfFlowTables()).toMatch(/^$|^this kernel has no flow tables/);
  expect(await kernel.lackOfEncryption()).toMatch(/^$|^this kernel has no (IPsec|ESP with AES-GCM)$/);
  await kernel.apply(boxes(1));
  expect(await kernel.undelivered("box-0")).toBe(0);
  const stop = new AbortController();
  const changed = new Promise<void>((resolve) => kernel.watch(stop.signal, resolve));
  await host.run(["ip", "link", "delete", "sh-g0"]);
  await changed;
  stop.abort();
  expect(await kernel.sweep(boxes(1))).not.toEqual([]);
  const wrong = boxes(1) as { namespaces: Record<string, unknown> };
  wrong.namespaces["box-0"] = undefined;
  await expect(kernel.apply(wrong as NodeNetwork)).rejects.toThrow(/undefined/);
});

test("closed, it has let go of everything, what it made stays, and later calls say so", async () => {
  host = await makeTestHost();
  const before = descriptors();
  const kernel = host.threadKernel();
  await kernel.apply(boxes(3));
  kernel.watch(new AbortController().signal, () => undefined);
  await kernel.undelivered("box-0");
  expect(descriptors()).toBeGreaterThan(before);
  const asked = kernel.apply(boxes(2));
  await kernel.close();
  expect((await asked).failures).toEqual([]);
  expect(descriptors()).toBe(before);
  expect(readdirSync(host.folder).sort()).toEqual(["box-0", "box-1"]);
  await expect(kernel.apply(boxes(1))).rejects.toThrow("cannot reach the kernel's network: shoald stops");
});

test("a thread that dies fails what was asked and whoever runs it, and is asked nothing more", async () => {
  const thread = new URL(
    'data:text/javascript,import{parentPort}from"node:worker_threads";parentPort.on("message",()=>{throw new Error("out of luck")})',
  );
  const kernel = new ThreadKernel({ tag: "sh", netnsDir: "/nonexistent", log: silentLog, thread });
  const running = kernel.run(new AbortController().signal);
  const words = "cannot reach the kernel's network: its thread has died: out of luck";
  const outcomes = await Promise.allSettled([kernel.sweep(boxes(0)), kernel.portsInUse(), running]);
  expect(outcomes.map((o) => (o.status === "rejected" ? String(o.reason.message) : "done"))).toEqual(
    Array.from({ length: 3 }, () => words),
  );
  await expect(kernel.apply(boxes(0))).rejects.toThrow(words);
  await kernel.close();
});
