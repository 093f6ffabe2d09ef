import fc from "fast-check";
import { expect, test } from "vitest";
import type { PortSpec, Protocol } from "../model/index.ts";
import { aService, aTask } from "../model/objects.fake.ts";
import { FREE_HOST_PORTS, HostPorts, type WantedPort } from "./host-ports.ts";

const port = (target: number, published = 0, protocol: Protocol = "tcp"): PortSpec => ({
  ...{ name: "", protocol, target, published, publishMode: "host" },
});
const task = (id: string, ...ports: PortSpec[]) =>
  aTask(aService(id, { endpoint: { mode: "vip", ports } }), 1, { id });
const numbers = (ports: readonly PortSpec[]) => ports.map(({ published }) => published);
const { first, last } = FREE_HOST_PORTS;

test("a port that nobody chose gets a number and keeps it; one that was chosen is left, mesh ports are no business of it", () => {
  const ports = new HostPorts();
  const web = task("web", port(80), port(443, 8443), { ...port(53, 5353), publishMode: "ingress" });
  expect(numbers(ports.give(web))).toEqual([first, 8443]);
  expect(numbers(ports.give(web))).toEqual([first, 8443]);
  expect(ports.portsOf("web")).toEqual(ports.give(web));
  expect(ports.portsOf("other")).toEqual([]);
});

test("no two tasks have one number in one protocol; a freed one comes back last", () => {
  const ports = new HostPorts();
  expect(numbers(ports.give(task("a", port(1), port(2), port(3, 0, "udp"))))).toEqual([
    first,
    first + 1,
    first + 2,
  ]);
  ports.release("a");
  expect(numbers(ports.give(task("b", port(1))))).toEqual([first + 3]);
  expect(numbers(ports.give(task("c", port(1, first + 4))))).toEqual([first + 4]);
  expect(numbers(ports.give(task("d", port(1))))).toEqual([first + 5]);
});

test("a port that a program of the host has is not the task's to have; a free number is none of them", () => {
  const ports = new HostPorts();
  const inUse = new Set(["tcp/8080", `tcp/${first}`, `udp/${first + 1}`]);
  expect(() => ports.give(task("web", port(80, 8080)), inUse)).toThrow(
    "port 8080/tcp is in use on this node by another program",
  );
  expect(ports.portsOf("web")).toEqual([]);
  expect(numbers(ports.give(task("web", port(80, 8080, "udp"), port(81)), inUse))).toEqual([8080, first + 1]);
  // What it has is its own, whoever comes later.
  expect(numbers(ports.give(task("web", port(80, 8080, "udp"), port(81)), new Set(["udp/8080"])))).toEqual([
    8080,
    first + 1,
  ]);
});

test("when all are taken it says so", () => {
  const ports = new HostPorts();
  const all = Array.from({ length: last - first + 1 }, (_, i) => port(i));
  expect(new Set(numbers(ports.give(task("all", ...all)))).size).toBe(all.length);
  expect(() => ports.give(task("more", port(1)))).toThrow("this host has no free port");
  expect(numbers(ports.give(task("udp", port(1, 0, "udp"))))).toHaveLength(1);
});

test("a restarted agent finds the numbers; what it cannot read is given anew", () => {
  const earlier = new HostPorts();
  const web = task("web", port(80), port(443));
  earlier.give(task("before", port(1)));
  earlier.give(web);
  const text = earlier.numbersOf(web) ?? "";
  const ports = new HostPorts();
  ports.adopt(web, text);
  expect(ports.give(web)).toEqual(earlier.give(web));
  for (const broken of ["", "a b", "61000", "0 1", "70000 1"]) {
    const fresh = new HostPorts();
    fresh.adopt(web, broken);
    expect(numbers(fresh.give(web))).toEqual([first, first + 1]);
  }
  expect(earlier.numbersOf(task("said", port(80, 8080)))).toBeUndefined();
});

test("tasks and containers made by hand share one book: a port is one's at an address, and all addresses are every address", () => {
  const ports = new HostPorts();
  const wanted = (published: number, hostAddress?: string) => ({
    ...{ protocol: "tcp" as const, target: 80, published },
    ...(hostAddress !== undefined && { hostAddress }),
  });
  ports.give(task("web", port(80, 8080)));
  expect(() => ports.giveContainer("a", [wanted(8080)])).toThrow(
    "Bind for 0.0.0.0:8080 failed: port is already allocated",
  );
  expect(() => ports.giveContainer("a", [wanted(8080, "127.0.0.1")])).toThrow(
    "Bind for 127.0.0.1:8080 failed",
  );
  expect(() => ports.giveContainer("a", [wanted(81), wanted(81)])).toThrow("Bind for 0.0.0.0:81 failed");
  expect(ports.portsOf("a")).toEqual([]);
  ports.giveContainer("a", [wanted(81, "127.0.0.1"), wanted(0)]);
  ports.giveContainer("b", [wanted(81, "192.0.2.1")]);
  expect(() => ports.giveContainer("c", [wanted(81)])).toThrow("Bind for 0.0.0.0:81 failed");
  expect(() => ports.give(task("late", port(80, 81)))).toThrow(
    "81/tcp is in use on this node by a container",
  );
  expect(() => ports.giveContainer("d", [wanted(99)], new Set(["tcp/99"]))).toThrow("Bind for 0.0.0.0:99");
  const programs = new Set(["tcp/90", "tcp/90@127.0.0.1", "tcp/91", "tcp/91@*"]);
  expect(() => ports.giveContainer("d", [wanted(90)], programs)).toThrow("Bind for 0.0.0.0:90");
  expect(() => ports.giveContainer("d", [wanted(90, "127.0.0.1")], programs)).toThrow(
    "Bind for 127.0.0.1:90",
  );
  expect(() => ports.giveContainer("d", [wanted(91, "192.0.2.1")], programs)).toThrow(
    "Bind for 192.0.2.1:91",
  );
  expect(numbers(ports.giveContainer("d", [wanted(90, "192.0.2.1")], programs))).toEqual([90]);
  expect(ports.giveContainer("f", [wanted(92, "0.0.0.0")])).toEqual(ports.giveContainer("f", [wanted(92)]));
  ports.startOver("task");
  expect(numbers(ports.giveContainer("e", [wanted(8080)]))).toEqual([8080]);
  expect(numbers(ports.portsOf("a"))).toEqual([81, first]);
});

const range = (target: number, published: number, publishedLast: number): WantedPort => ({
  ...{ protocol: "tcp", target, published, publishedLast },
});

test("of a range a container gets the lowest that is free; when none is, it says so in Docker's words", () => {
  const ports = new HostPorts();
  const inUse = new Set(["tcp/8001"]);
  expect(ports.giveContainer("a", [range(80, 8000, 8002)], inUse)).toEqual([
    { name: "", publishMode: "host", protocol: "tcp", target: 80, published: 8000 },
  ]);
  expect(numbers(ports.giveContainer("b", [range(80, 8000, 8002)], inUse))).toEqual([8002]);
  expect(() => ports.giveContainer("c", [range(80, 8000, 8002)], inUse)).toThrow(
    "Bind for 0.0.0.0:8000-8002 failed: all ports are allocated",
  );
  expect(ports.portsOf("c")).toEqual([]);
  ports.release("a");
  const two = [{ protocol: "tcp", target: 80, published: 0 } as const, range(81, 9000, 9001), port(82, 9000)];
  expect(numbers(ports.giveContainer("c", two))).toEqual([9000, 9001, first]);
});

test("whatever containers ask for, each number of a range is given once, and a free one is always found", () => {
  const ends = fc.tuple(fc.integer({ min: 9_000, max: 9_012 }), fc.nat(6));
  const asked = fc.array(ends, { maxLength: 20 });
  fc.assert(
    fc.property(asked, (all) => {
      const ports = new HostPorts();
      const taken = new Set<number>();
      for (const [i, [from, more]] of all.entries()) {
        const inRange = Array.from({ length: more + 1 }, (_, j) => from + j);
        const free = inRange.find((number) => !taken.has(number));
        const give = () => numbers(ports.giveContainer(`c${i}`, [range(80, from, from + more)]));
        if (free === undefined) expect(give).toThrow("failed: all ports are allocated");
        else expect(give()).toEqual([free]);
        if (free !== undefined) taken.add(free);
      }
    }),
  );
});
