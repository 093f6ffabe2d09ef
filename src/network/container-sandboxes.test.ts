import { beforeEach, expect, test } from "vitest";
import type { SandboxPlace, SandboxWish } from "../engine/index.ts";
import { FakeKernel } from "../kernel/kernel.fake.ts";
import { FakeClock, messageOf, seededRandom, silentLog } from "../lib/index.ts";
import { HOST } from "../netstate/index.ts";
import { aBridge } from "./bridge-networks.fake.ts";
import { Bridges } from "./bridges.ts";
import { ContainerSandboxes } from "./container-sandboxes.ts";
import { GatewayAddresses } from "./gateway-addresses.ts";
import { HostPorts } from "./host-ports.ts";
import { LocalNetworks } from "./local-networks.ts";
import { NetworkApplier } from "./network-applier.ts";

const GATEWAY = "172.18.0.0/16";
const A = "a".repeat(64);
const B = "b".repeat(64);
const never = new AbortController().signal;

let clock: FakeClock;
let kernel: FakeKernel;
let saved: string | undefined;
let networks: LocalNetworks;
let hostPorts: HostPorts;
let applier: NetworkApplier;
let sandboxes: ContainerSandboxes;
let told: string[];

/** A daemon that starts: what was there before is on disk and in the kernel. */
function start(): void {
  clock = new FakeClock();
  networks = new LocalNetworks({
    file: {
      load: () => saved,
      save: (text) => {
        saved = text;
      },
    },
    taken: () => ({ networks: [GATEWAY], elsewhere: [] }),
    ...{ clock, random: seededRandom(7) },
  });
  applier = new NetworkApplier({
    ...{ kernel, clock, log: silentLog, plan: { tag: "sh" }, waitsFor: ["engine"] },
    settings: { gatewaySubnet: GATEWAY, ipv6: true },
  });
  hostPorts = new HostPorts();
  sandboxes = new ContainerSandboxes({
    ...{ applier, hostPorts, kernel, gateway: new GatewayAddresses(GATEWAY), netnsDir: "/netns" },
    ...{ bridges: new Bridges(networks, true), clock },
    dns: { upstreams: ["192.0.2.53"], search: ["example.net"] },
    onChange: (what, { driver, name }, id) => told.push(`${what} ${driver} ${name} ${id.slice(0, 1)}`),
  });
}

beforeEach(() => {
  kernel = new FakeKernel();
  saved = undefined;
  told = [];
  start();
  sandboxes.adopt([]);
});

function wish(containerId: string, on: readonly string[], rest: Partial<SandboxWish> = {}): SandboxWish {
  const names: Readonly<Record<string, string>> = { [A]: "alice", [B]: "bob" };
  return {
    ...{ containerId, name: names[containerId] ?? "", ports: [] },
    networks: on.map((ref) => ({ ref, aliases: [] })),
    ...rest,
  };
}

const addresses = ({ endpoints }: SandboxPlace) =>
  endpoints.map(({ device, address }) => `${device} ${address}`);
const http = { protocol: "tcp", target: 80, published: 8080 } as const;
const devices = (id: string) => kernel.machine.read(`task-${id}`)?.links.map(({ name }) => name);
const bridges = () => kernel.machine.read(HOST)?.links.flatMap((l) => (l.kind === "bridge" ? [l.name] : []));

test("a container on the first network: the lowest free address, names of the node's own resolver, its ports", async () => {
  const place = await sandboxes.attach(wish(A, ["bridge"], { ports: [http] }), never);
  expect(place).toEqual({
    netns: `/netns/task-${A}`,
    gatewayAddress: "172.18.0.16",
    endpoints: [
      {
        device: "eth0",
        networkId: networks.find("bridge")?.id,
        networkName: "bridge",
        aliases: [],
        address: "172.17.0.2/16",
        gateway: "172.17.0.1",
        mac: "02:42:ac:11:00:02",
      },
    ],
    ports: [http],
    dns: { nameservers: ["192.0.2.53"], search: ["example.net"], options: [] },
  });
  expect(devices(A)).toEqual(["gw0", "eth0"]);
  expect(await sandboxes.attach(wish(A, ["bridge"], { ports: [http] }), never)).toEqual(place);
  expect(addresses(await sandboxes.attach(wish(B, ["bridge"]), never))).toEqual(["eth0 172.17.0.3/16"]);
  await sandboxes.detach(A);
  expect(devices(A)).toBeUndefined();
  expect(hostPorts.portsOf(A)).toEqual([]);
  expect(addresses(await sandboxes.attach(wish(A, ["bridge"]), never))).toEqual(["eth0 172.17.0.2/16"]);
});

test("the first network's bridge is in the kernel while somebody is on it, a user's from the start", async () => {
  expect(bridges()).toEqual([]);
  const app = networks.create(aBridge("app"));
  sandboxes.networksChanged();
  await applier.engine.settle();
  expect(bridges()).toContain(`sh-b${app.id.slice(0, 8)}`);
  const first = `sh-b${networks.find("bridge")?.id.slice(0, 8)}`;
  await sandboxes.attach(wish(A, ["bridge"]), never);
  expect(bridges()).toContain(first);
  await sandboxes.detach(A);
  await applier.engine.settle();
  expect(bridges()).not.toContain(first);
});

test("networks come and go while it runs; what stays keeps its device, and the lowest free one is the next's", async () => {
  for (const name of ["app", "db", "web"]) networks.create(aBridge(name));
  await sandboxes.attach(wish(A, ["app", "db"]), never);
  expect(addresses(await sandboxes.disconnect(A, "app"))).toEqual(["eth1 172.20.0.2/16"]);
  const place = await sandboxes.connect(A, { ref: "web", aliases: ["w"] }, never);
  expect(addresses(place)).toEqual(["eth1 172.20.0.2/16", "eth0 172.21.0.2/16"]);
  expect(place.dns).toEqual({ nameservers: ["127.0.0.11"], search: ["example.net"], options: ["ndots:0"] });
  expect(told).toEqual([
    "connect bridge app a",
    "connect bridge db a",
    "disconnect bridge app a",
    "connect bridge web a",
  ]);
  await expect(sandboxes.connect(A, { ref: "web", aliases: [] }, never)).rejects.toThrow(
    "endpoint with name alice already exists in network web",
  );
  await expect(sandboxes.disconnect(A, "app")).rejects.toThrow(
    `container ${A} is not connected to network app`,
  );
  await expect(sandboxes.connect(B, { ref: "web", aliases: [] }, never)).rejects.toThrow("is not running");
  // An address that was let go of is the next one's.
  expect(addresses(await sandboxes.attach(wish(B, ["app"]), never))).toEqual(["eth0 172.19.0.2/16"]);
});

test("what cannot be had is said in Docker's words, and nothing is left half made", async () => {
  networks.create(aBridge("app", { ipam: [{ subnet: "10.9.0.0/24" }] }));
  networks.create(aBridge("auto"));
  kernel.machine.portsInUse.add("tcp/9000");
  kernel.machine.lackOfSctp = "this kernel does not follow SCTP";
  const at = (ref: string, address?: string, aliases: string[] = []) =>
    wish(A, [], { networks: [{ ref, aliases, ...(address !== undefined && { address }) }] });
  await sandboxes.attach(wish(B, ["app"], { ports: [http] }), never);
  const refused: readonly (readonly [SandboxWish, string])[] = [
    [at("nowhere"), "network nowhere not found"],
    [at("bridge", "172.17.0.9"), "user specified IP address is supported on user defined networks only"],
    [
      at("bridge", undefined, ["x"]),
      "network-scoped alias is supported only for containers in user defined networks",
    ],
    [at("auto", "172.19.0.9"), "supported only when connecting to networks with user configured subnets"],
    [at("app", "10.9.0.2"), "Address already in use"],
    [at("app", "10.9.0.1"), "Address already in use"],
    [at("app", "10.8.0.9"), "Invalid address 10.8.0.9: It does not belong to any of this network's subnets"],
    [wish(A, ["bridge"], { ports: [http] }), "Bind for 0.0.0.0:8080 failed: port is already allocated"],
    [wish(A, ["app"], { ports: [{ ...http, published: 9000 }] }), "Bind for 0.0.0.0:9000 failed"],
    [wish(A, ["app"], { ports: [{ ...http, hostAddress: "::1" }] }), "cannot publish port at ::1"],
    [wish(A, ["app"], { ports: [{ ...http, protocol: "sctp" }] }), "this kernel does not follow SCTP"],
  ];
  const before = kernel.machine.names();
  for (const [asked, message] of refused) {
    expect(await sandboxes.attach(asked, never).then(String, messageOf)).toContain(message);
    expect(hostPorts.portsOf(A)).toEqual([]);
  }
  expect(kernel.machine.names()).toEqual(before);
  await expect(sandboxes.check(at("nowhere"))).rejects.toMatchObject({ kind: "not-found" });
  expect(addresses(await sandboxes.attach(at("app", "10.9.0.77"), never))).toEqual(["eth0 10.9.0.77/24"]);
});

test("a container that is not wanted any more while it is attached leaves nothing behind", async () => {
  const stop = new AbortController();
  const attached = sandboxes.attach(wish(A, ["bridge"], { ports: [http] }), stop.signal);
  stop.abort(new Error("stopped"));
  await expect(attached).rejects.toThrow("stopped");
  expect(kernel.machine.names()).not.toContain(`task-${A}`);
  expect(addresses(await sandboxes.attach(wish(B, ["bridge"], { ports: [http] }), never))).toEqual([
    "eth0 172.17.0.2/16",
  ]);
});

test("a container that comes before the node knows its cluster's network waits, but not for ever", async () => {
  start();
  const late = sandboxes.attach(wish(A, ["bridge"], { ports: [http] }), never);
  const said = late.then(String, messageOf);
  await clock.advance(31_000);
  expect(await said).toContain("this node's network is not ready");
  expect(hostPorts.portsOf(A)).toEqual([]);
  const soon = sandboxes.attach(wish(A, ["bridge"]), never);
  await clock.advance(10_000);
  sandboxes.adopt([]);
  expect(addresses(await soon)).toEqual(["eth0 172.17.0.2/16"]);
});

test("a daemon that starts again finds all as it was: the kernel is not touched, addresses and ports stay taken", async () => {
  networks.create(aBridge("app"));
  sandboxes.networksChanged();
  const wishes = [wish(A, ["bridge", "app"], { ports: [http] }), wish(B, ["app"])];
  const places: SandboxPlace[] = [];
  for (const each of wishes) places.push(await sandboxes.attach(each, never));
  await sandboxes.disconnect(A, "bridge");
  places[0] = await sandboxes.attach(wishes[0]!, never);
  const before = [HOST, `task-${A}`, `task-${B}`].map((name) => kernel.machine.read(name));
  start();
  sandboxes.adopt(wishes.map((each, i) => ({ wish: each, place: places[i]! })));
  await applier.engine.settle();
  expect([HOST, `task-${A}`, `task-${B}`].map((name) => kernel.machine.read(name))).toEqual(before);
  for (const [i, each] of wishes.entries()) expect(await sandboxes.attach(each, never)).toEqual(places[i]);
  const C = "c".repeat(64);
  expect(addresses(await sandboxes.attach(wish(C, ["app"]), never))).toEqual(["eth0 172.19.0.4/16"]);
  await expect(sandboxes.attach(wish("d".repeat(64), [], { ports: [http] }), never)).rejects.toThrow(
    "port is already allocated",
  );
});
