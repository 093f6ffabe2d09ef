import { beforeEach, expect, test } from "vitest";
import type { GuestFact } from "../dataplane/index.ts";
import type { NetworkWish, SandboxPlace, SandboxWish } from "../engine/index.ts";
import { FakeKernel } from "../kernel/kernel.fake.ts";
import { FakeClock, messageOf, seededRandom, silentLog } from "../lib/index.ts";
import type { NumberedWish } from "../model/index.ts";
import { Bridges } from "./bridges.ts";
import { ContainerSandboxes } from "./container-sandboxes.ts";
import { GatewayAddresses } from "./gateway-addresses.ts";
import { GuestDesk, type GuestLine } from "./guest-desk.ts";
import { HostPorts } from "./host-ports.ts";
import { LocalNetworks } from "./local-networks.ts";
import { NetworkApplier } from "./network-applier.ts";
import { Overlays } from "./overlays.ts";

/* Containers on overlays, bridges and both, with a manager that a test plays; the kernel is a fake that really builds. */

const GATEWAY = "172.18.0.0/16";
const [A, B] = ["a".repeat(64), "b".repeat(64)];
const FRONT = "frontfrontfrontfrontfront";
const BACK = "backbackbackbackbackbackb";
const NETWORKS = { front: FRONT, back: BACK } as const;
const never = new AbortController().signal;

/** A manager as far as guests go: it gives 10.0.1.2 on and knows two networks; "shut" is not attachable. */
class PlayedManager implements GuestLine {
  readonly nodeId = "n1";
  readonly wishes = new Map<string, NumberedWish>();
  readonly #addresses = new Map<string, string>();
  readonly #desk: GuestDesk;
  readonly #tell: (guests: readonly GuestFact[]) => void;

  constructor(desk: GuestDesk, tell: (guests: readonly GuestFact[]) => void) {
    this.#desk = desk;
    this.#tell = tell;
  }

  objectionTo(): undefined {
    return undefined;
  }

  say({ wishes }: { readonly wishes: readonly NumberedWish[] }): void {
    for (const wish of wishes) queueMicrotask(() => this.#answer(wish));
  }

  #answer(wish: NumberedWish): void {
    const { id, number, networks } = wish;
    const places = networks.flatMap(({ ref }) =>
      Object.entries(NETWORKS).flatMap(([name, networkId]) =>
        ref === name || ref === networkId ? [{ ref, networkId, name }] : [],
      ),
    );
    const stranger = networks.find(({ ref }) => places.every((place) => place.ref !== ref))?.ref;
    if (stranger !== undefined) {
      const refusal =
        stranger === "shut"
          ? ({ kind: "forbidden", message: "rpc error: … network shut not manually attachable" } as const)
          : ({ kind: "not-found", message: `network ${stranger} not found` } as const);
      this.#desk.heard({ id, number, places: [], refusal: { ...refusal, ref: stranger } });
      return;
    }
    if (networks.length === 0) this.wishes.delete(id);
    else this.wishes.set(id, wish);
    this.#desk.heard({ id, number, places });
    this.#tell([...this.wishes.values()].map((each) => this.#rowOf(each)));
  }

  #rowOf({ id, name, networks }: NumberedWish): GuestFact {
    const addresses = networks.map(({ ref, address, used }) => {
      const networkId = ref in NETWORKS ? NETWORKS[ref as keyof typeof NETWORKS] : ref;
      const subnet = networkId === FRONT ? "10.0.1" : "10.0.2";
      const key = `${id} ${networkId}`;
      const given =
        address ?? used?.address ?? this.#addresses.get(key) ?? `${subnet}.${this.#addresses.size + 2}`;
      this.#addresses.set(key, given);
      return [networkId, given] as const;
    });
    return { id, nodeId: "n1", addresses: Object.fromEntries(addresses), names: { [FRONT]: [name] } };
  }
}

let kernel: FakeKernel;
let saved: string | undefined;
/** What the agent keeps of the assignments over a restart. */
let disk: readonly GuestFact[];
let local: LocalNetworks;
let desk: GuestDesk;
let manager: PlayedManager;
let applier: NetworkApplier;
let sandboxes: ContainerSandboxes;
/** What containers came to, and left. */
let met: string[];

/** A daemon that starts as a member of a cluster. */
function start(): void {
  const clock = new FakeClock();
  const file = {
    load: () => saved,
    save(text: string) {
      saved = text;
    },
  };
  local = new LocalNetworks({
    ...{ file, taken: () => ({ networks: [GATEWAY], elsewhere: [] }), clock, random: seededRandom(7) },
  });
  applier = new NetworkApplier({
    ...{ kernel, clock, log: silentLog, plan: { tag: "sh" }, waitsFor: ["engine"] },
    settings: { gatewaySubnet: GATEWAY, ipv6: true },
  });
  desk = new GuestDesk({ clock, log: silentLog });
  const cluster = applier.enter({ nodeId: "n1", dataPathAddress: "192.0.2.1", dataPathPort: 4789 });
  const tell = (guests: readonly GuestFact[]) => {
    disk = guests;
    const on = new Set(guests.flatMap(({ addresses }) => Object.keys(addresses)));
    const told = {
      networks: Object.entries(NETWORKS).flatMap(([name, id], i) =>
        on.has(id)
          ? [{ id, name, vni: 4097 + i, subnet: `10.0.${i + 1}.0/24`, gateway: `10.0.${i + 1}.1`, ...FLAGS }]
          : [],
      ),
      nodes: [
        {
          ...{ id: "n1", dataPathAddress: "192.0.2.1" },
          addresses: Object.fromEntries(
            [...on].map((id) => [id, id === FRONT ? "10.0.1.200" : "10.0.2.200"]),
          ),
        },
      ],
      ...{ services: [], endpoints: [], guests },
      attachments: guests.map(({ id, nodeId, addresses }) => ({ taskId: id, nodeId, addresses })),
    };
    cluster.setFacts(told);
    desk.follow(told);
  };
  manager = new PlayedManager(desk, tell);
  const overlays = new Overlays({ desk, known: () => applier.facts().networks });
  sandboxes = new ContainerSandboxes({
    ...{ applier, kernel, hostPorts: new HostPorts(), gateway: new GatewayAddresses(GATEWAY) },
    ...{ netnsDir: "/netns", bridges: new Bridges(local, true), dns: { upstreams: [], search: [] } },
    ...{ others: [overlays], clock },
    onChange: (what, { driver, id }) => met.push(`${what} ${driver} ${id}`),
  });
  overlays.whenLost((id, networkId) => void sandboxes.disconnect(id, networkId));
  desk.open(manager);
  tell(disk);
}
const FLAGS = { mtu: 1450, ingress: false, internal: false } as const;

beforeEach(() => {
  kernel = new FakeKernel();
  saved = undefined;
  disk = [];
  met = [];
  start();
  sandboxes.adopt([]);
});

const on = (...refs: string[]): NetworkWish[] => refs.map((ref) => ({ ref, aliases: [] }));
const wish = (containerId: string, networks: NetworkWish[]): SandboxWish => ({
  ...{ containerId, name: containerId === A ? "alice" : "bob", ports: [], networks },
});
const addresses = ({ endpoints }: SandboxPlace) =>
  endpoints.map(({ device, networkName, address }) => `${device} ${networkName} ${address}`);
const devices = (id: string) => kernel.machine.read(`task-${id}`)?.links.map(({ name }) => name);
const wished = (id: string) => manager.wishes.get(id)?.networks.map(({ ref }) => ref);
const refusalOf = (work: Promise<unknown>) => work.then(() => "done", messageOf);

test("a container comes to an overlay that the node did not know, with names of the node's own resolver, and its sandbox is there", async () => {
  const place = await sandboxes.attach(wish(A, on("front")), never);
  expect(place).toMatchObject({
    endpoints: [{ networkId: FRONT, networkName: "front", address: "10.0.1.2/24", gateway: "10.0.1.1" }],
    dns: { nameservers: ["127.0.0.11"] },
  });
  expect(devices(A)).toEqual(expect.arrayContaining(["eth0"]));
  expect(kernel.machine.read(`net-${FRONT}`)?.links.map(({ name }) => name)).toContain(
    `sh-t${A.slice(0, 8)}`,
  );
  await sandboxes.detach(A);
  expect(wished(A)).toBeUndefined();
  await expect.poll(() => kernel.machine.read(`net-${FRONT}`)).toBeUndefined();
});

test("two overlays and a bridge; one more and one less while it runs, under names that stay", async () => {
  const place = await sandboxes.attach(wish(A, on("bridge", "front")), never);
  expect(addresses(place)).toEqual(["eth0 bridge 172.17.0.2/16", "eth1 front 10.0.1.2/24"]);
  const wider = await sandboxes.connect(A, { ref: "back", aliases: ["db"], address: "10.0.2.77" }, never);
  expect(addresses(wider)).toEqual([...addresses(place), "eth2 back 10.0.2.77/24"]);
  // Under their ids, which no other network can come to have.
  expect(manager.wishes.get(A)?.networks).toMatchObject([
    { ref: FRONT },
    { ref: "back", address: "10.0.2.77", aliases: ["db"] },
  ]);
  expect(addresses(await sandboxes.disconnect(A, "front"))).toEqual([
    "eth0 bridge 172.17.0.2/16",
    "eth2 back 10.0.2.77/24",
  ]);
  await expect.poll(() => wished(A)).toEqual([BACK]);
  expect(met).toEqual([
    `connect bridge ${local.find("bridge")?.id}`,
    `connect overlay ${FRONT}`,
    `connect overlay ${BACK}`,
    `disconnect overlay ${FRONT}`,
  ]);
});

test("what a manager refuses is told in Docker's words, and nothing is left half made", async () => {
  expect(await refusalOf(sandboxes.attach(wish(A, on("front", "shut")), never))).toBe(
    "Could not attach to network shut: rpc error: … network shut not manually attachable",
  );
  await expect.poll(() => wished(A)).toBeUndefined();
  expect(devices(A)).toBeUndefined();
  expect(await refusalOf(sandboxes.attach(wish(A, on("nope")), never))).toBe(
    "Could not attach to network nope: rpc error: code = NotFound desc = network nope not found",
  );
  await sandboxes.attach(wish(A, on("front")), never);
  expect(await refusalOf(sandboxes.connect(A, { ref: "shut", aliases: [] }, never))).toMatch(/not manually/);
  expect(wished(A)).toEqual(["front"]);
  expect(await refusalOf(sandboxes.connect(A, { ref: "front", aliases: [] }, never))).toBe(
    "endpoint with name alice already exists in network front",
  );
});

test("a container that is renamed has its new name on overlays and bridges, and its places", async () => {
  const spec = { labels: {}, options: {}, internal: false, attachable: false, ipv6: false, ipam: [] };
  local.create({ ...spec, name: "app" });
  const place = await sandboxes.attach(wish(A, on("app", "front")), never);
  await sandboxes.rename(A, "anna");
  expect(manager.wishes.get(A)).toMatchObject({ name: "anna", networks: [{ ref: FRONT }] });
  const [row] = applier.facts().tasks;
  expect(Object.values(row?.bridges ?? {}).map(({ names }) => names[0])).toEqual(["anna"]);
  expect(addresses(await sandboxes.attach(wish(A, []), never))).toEqual(addresses(place));
  await sandboxes.rename(B, "nobody");
  expect(manager.wishes.has(B)).toBe(false);
});

test("outside of a cluster a word that is no bridge's is nobody's", async () => {
  desk.close(manager);
  expect(await refusalOf(sandboxes.check(wish(A, on("nope"))))).toBe("network nope not found");
});

test("a daemon that comes back keeps what its containers have, before and after a manager has spoken", async () => {
  const one = await sandboxes.attach(wish(A, on("front", "back")), never);
  const two = await sandboxes.attach(wish(B, on("bridge")), never);
  const before = devices(A);
  start();
  sandboxes.adopt([
    { wish: wish(A, on("front", "back")), place: one },
    { wish: wish(B, on("bridge")), place: two },
  ]);
  const { wishes } = desk.introduction();
  expect(wishes).toMatchObject([
    {
      id: A,
      networks: [
        { ref: FRONT, used: { address: "10.0.1.2" } },
        { ref: BACK, used: { address: "10.0.2.3" } },
      ],
    },
  ]);
  manager.say({ wishes });
  await applier.engine.settle();
  expect(devices(A)).toEqual(before);
  expect(addresses(await sandboxes.attach(wish(A, on("front", "back")), never))).toEqual(addresses(one));
  await sandboxes.detach(A);
  await expect.poll(() => wished(A)).toBeUndefined();
});

test("a node that leaves the cluster, or a manager that gives a network no longer, takes it from the container alone", async () => {
  const { number } = await attached(on("bridge", "front", "back"));
  const refusal = { kind: "not-found", message: `network ${BACK} not found`, ref: BACK } as const;
  desk.heard({ id: A, number, places: [], refusal });
  await expect.poll(() => devices(A)?.toSorted()).toEqual(["eth0", "eth1", "gw0"]);
  expect(await sandboxes.attach(wish(A, []), never).then(addresses)).toEqual([
    "eth0 bridge 172.17.0.2/16",
    "eth1 front 10.0.1.2/24",
  ]);
  desk.close(manager);
  desk.disband();
  await applier.leave();
  await expect.poll(() => devices(A)?.toSorted()).toEqual(["eth0", "gw0"]);
  expect(await sandboxes.attach(wish(A, []), never).then(addresses)).toEqual(["eth0 bridge 172.17.0.2/16"]);
});

/** Attaches a container; its last wish. */
async function attached(networks: NetworkWish[]): Promise<NumberedWish> {
  await sandboxes.attach(wish(A, networks), never);
  return manager.wishes.get(A)!;
}
