import { expect, test } from "vitest";
import type { PortFact, ServiceFact } from "../dataplane/index.ts";
import { type Log, silentLog } from "../lib/index.ts";
import { HostPorts } from "../network/index.ts";
import { MeshPorts } from "./mesh-ports.ts";

function publishing(...numbers: number[]): ServiceFact[] {
  const ports = numbers.map((published): PortFact => ({ protocol: "tcp", published, target: 80 }));
  return [{ id: "web", name: "web", vips: {}, aliases: {}, ports }];
}

test("a published port that a program has is told once, and again when it was published anew", async () => {
  const told: unknown[] = [];
  const log: Log = { ...silentLog, warn: (_, fields) => void told.push(fields) };
  const inUse = new Set(["tcp/8080", "udp/8081"]);
  const ports = new MeshPorts({ kernel: { portsInUse: async () => inUse }, log });
  await ports.look(publishing(8080, 8081));
  await ports.look(publishing(8080, 8081, 8082));
  expect(told).toEqual([{ port: "tcp/8080", service: "web" }]);
  await ports.look(publishing());
  await ports.look(publishing(8080));
  expect(told).toHaveLength(2);
});

test("a published port that a container made by hand has is told too: the mesh has it from now on", async () => {
  const told: string[] = [];
  const log: Log = { ...silentLog, warn: (text) => void told.push(text) };
  const hostPorts = new HostPorts();
  hostPorts.giveContainer("c", [{ protocol: "tcp", published: 8080, target: 80 }]);
  await new MeshPorts({ kernel: { portsInUse: async () => new Set() }, hostPorts, log }).look(
    publishing(8080, 8081),
  );
  expect(told).toEqual(["published port hides a container made by hand"]);
});

test("a kernel that cannot say stops nothing", async () => {
  const portsInUse = async () => Promise.reject(new Error("no /proc"));
  await new MeshPorts({ kernel: { portsInUse }, log: silentLog }).look(publishing(8080));
});
