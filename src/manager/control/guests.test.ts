import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeClock, seededRandom, silentLog } from "../../lib/index.ts";
import { type Change, type GuestWish, type NetworkSpec, put } from "../../model/index.ts";
import { aCluster, aNetwork, aNode, aRunning, aService } from "../../model/objects.fake.ts";
import { MemoryBackend, openSeal, Store } from "../../store/index.ts";
import { planCluster } from "../planner.ts";
import { GuestControl } from "./guests.ts";
import { NetworkControl } from "./networks.ts";
import { NodeControl } from "./nodes.ts";

let store: Store;
let guests: GuestControl;
let networks: NetworkControl;
let nodes: NodeControl;
let close: () => Promise<void>;

const unsaved = <T extends { version: number }>(object: T): T => ({ ...object, version: 0 });
const seed = (...changes: Change[]) => store.update(changes);
const id = (digit: string) => digit.repeat(64);

beforeEach(async () => {
  const clock = new FakeClock();
  store = await Store.open({ backend: new MemoryBackend(), seal: openSeal, clock, log: silentLog });
  const stop = new AbortController();
  const running = store.run(stop.signal);
  close = async () => {
    stop.abort();
    await running;
  };
  const parts = { store, clock, random: seededRandom(1) };
  [guests, networks, nodes] = [new GuestControl(parts), new NetworkControl(parts), new NodeControl(parts)];
  await seed(
    put("cluster", unsaved(aCluster())),
    put("node", unsaved(aNode("n1"))),
    put("node", unsaved(aNode("n2"))),
  );
  await makeNetwork("front", { ipam: [{ subnet: "10.0.1.0/24" }] });
});
afterEach(() => close());

function makeNetwork(name: string, spec: Partial<NetworkSpec> = {}) {
  return networks.create(aNetwork(name, { attachable: true, ...spec }).spec);
}

const wish = (
  digit: string,
  on: readonly Partial<GuestWish["networks"][number]>[] = [{ ref: "front" }],
): GuestWish => ({
  ...{ id: id(digit), name: `shell-${digit}` },
  networks: on.map((network) => ({ ref: "front", aliases: [], ...network })),
});

/** Lets the leader plan until it has nothing to say. */
async function plan(): Promise<void> {
  for (let i = 0; i < 10; i++) {
    const { changes } = planCluster(store.view, { now: 0, newId: () => `id-${i}` });
    if (changes.length === 0) return;
    await seed(...changes);
  }
  throw new Error("the planner does not settle");
}

const addressOf = (digit: string) => store.view.get("guest", id(digit))?.attachments[0]?.address;
const nodeOn = (nodeId: string) => store.view.get("node", nodeId)?.attachments[networks.get("front").id];

/** What a refused wish says; nothing may be written for it. */
async function refusalOf(nodeId: string, said: GuestWish): Promise<unknown> {
  const version = store.version;
  const outcome = await guests.place(nodeId, said);
  expect(store.version).toBe(version);
  return "refusal" in outcome ? outcome.refusal : undefined;
}

describe("a container made by hand", () => {
  test("gets an address by name, id or beginning of an id, and its node one of its own", async () => {
    const front = networks.get("front");
    for (const [digit, ref] of [
      ["a", "front"],
      ["b", front.id],
      ["c", front.id.slice(0, 9)],
    ] as const) {
      const places = [{ ref, networkId: front.id, name: "front" }];
      expect(await guests.place("n1", wish(digit, [{ ref }]))).toMatchObject({ places });
    }
    expect(["a", "b", "c"].map(addressOf)).toEqual(["10.0.1.2", "10.0.1.3", "10.0.1.4"]);
    await plan();
    expect(nodeOn("n1")).toBe("10.0.1.5");
    expect(nodeOn("n2")).toBeUndefined();
  });

  test("asked twice nothing changes; asked otherwise only what is other", async () => {
    await makeNetwork("back", { ipam: [{ subnet: "10.0.2.0/24" }] });
    await guests.place("n1", wish("a"));
    const before = store.version;
    await guests.place("n1", wish("a"));
    expect(store.version).toBe(before);
    await guests.place("n1", {
      ...wish("a", [{ ref: "front", aliases: ["www"] }, { ref: "back" }]),
      name: "b",
    });
    expect(store.view.get("guest", id("a"))).toMatchObject({
      spec: { name: "b", networks: [{ aliases: ["www"] }, { target: networks.get("back").id }] },
      attachments: [{ address: "10.0.1.2" }, { address: "10.0.2.2" }],
    });
    await guests.place("n1", wish("a", [{ ref: "back" }]));
    expect(addressOf("a")).toBe("10.0.2.2");
    expect(await guests.place("n1", wish("a", []))).toEqual({ places: [] });
    expect(guests.list()).toEqual([]);
    expect(await guests.place("n1", wish("a", []))).toEqual({ places: [] });
  });

  test("gives its address back, and its node's goes with the last one", async () => {
    await guests.place("n1", wish("a"));
    await guests.place("n1", wish("b"));
    await plan();
    await guests.place("n1", wish("a", []));
    await plan();
    expect(nodeOn("n1")).toBe("10.0.1.4");
    await guests.keepOnly("n1", new Set());
    await plan();
    expect(nodeOn("n1")).toBeUndefined();
    const [use] = networks.addressUse(networks.get("front"));
    expect(use?.inUse).toBe(3);
  });

  test("what a node names no more goes, and nobody else's", async () => {
    await guests.place("n1", wish("a"));
    await guests.place("n1", wish("b"));
    await guests.place("n2", wish("c"));
    await guests.keepOnly("n1", new Set([id("b")]));
    expect(guests.list().map((guest) => guest.spec.name)).toEqual(["shell-b", "shell-c"]);
  });

  test("an address that was asked for is given, also beside the range, and takes none of the range away", async () => {
    await makeNetwork("narrow", { ipam: [{ subnet: "10.0.3.0/24", ipRange: "10.0.3.0/29" }] });
    const ref = "narrow";
    await guests.place("n1", wish("a", [{ ref, address: "10.0.3.200" }]));
    await plan();
    expect(addressOf("a")).toBe("10.0.3.200");
    // Six are left of eight: the subnet's first, its gateway. One is the node's.
    expect(networks.addressUse(networks.get(ref))[0]).toMatchObject({ free: 5 });
    for (const digit of ["b", "c", "d", "e", "f"])
      expect(await refusalOrUndefined(digit, ref)).toBeUndefined();
    expect(await refusalOrUndefined("9", ref)).toBe("network narrow has no free address");
  });

  async function refusalOrUndefined(digit: string, ref: string): Promise<string | undefined> {
    const outcome = await guests.place("n1", wish(digit, [{ ref }]));
    return "refusal" in outcome ? outcome.refusal.message : undefined;
  }

  test("an address that is used already is kept, and is no word of the user's; nobody else can have it", async () => {
    const used = { address: "10.0.1.77" };
    await guests.place("n1", wish("a", [{ used }]));
    expect(addressOf("a")).toBe("10.0.1.77");
    expect(store.view.get("guest", id("a"))?.spec.networks).toEqual([
      { target: networks.get("front").id, aliases: [] },
    ]);
    expect(await refusalOf("n2", wish("b", [{ used }]))).toMatchObject({ kind: "exists" });
  });

  test("two that ask for one address at once do not both get it, nor does a task that the leader gives one", async () => {
    const asked = [{ ref: "front", address: "10.0.1.2" }];
    const web = aService("web", {
      task: { ...aService("web").spec.task, networks: [{ target: networks.get("front").id, aliases: [] }] },
      endpoint: { mode: "dnsrr", ports: [] },
    });
    await seed(put("service", unsaved(web)));
    const planned = planCluster(store.view, { now: 0, newId: () => "task" }).changes;
    expect(JSON.stringify(planned)).toContain('"address":"10.0.1.2"');
    const outcomes = await Promise.all([
      guests.place("n1", wish("a", asked)),
      guests.place("n2", wish("b", asked)),
    ]);
    expect(outcomes).toMatchObject([
      { places: [{ name: "front" }] },
      { refusal: { kind: "exists", message: "Address already in use (10.0.1.2)", ref: "front" } },
    ]);
    await expect(seed(...planned)).rejects.toThrow("update out of sequence");
  });

  test("is refused in Docker's words, and nothing is made", async () => {
    await makeNetwork("closed", { attachable: false });
    await makeNetwork("ingress", { attachable: false, ingress: true });
    await guests.place("n1", wish("a"));
    const denied = (name: string) => ({
      ...{ kind: "forbidden", ref: name },
      message: `rpc error: code = PermissionDenied desc = network ${name} not manually attachable`,
    });
    const stray = (address: string) => ({
      ...{ kind: "invalid", ref: "front" },
      message: `invalid address ${address}: It does not belong to any of this network's subnets`,
    });
    const table: [string, GuestWish, unknown][] = [
      ["n1", wish("b", [{ ref: "closed" }]), denied("closed")],
      ["n1", wish("b", [{ ref: "ingress" }]), denied("ingress")],
      // Half a wish is none.
      ["n1", wish("b", [{ ref: "front" }, { ref: "closed" }]), denied("closed")],
      [
        "n1",
        wish("b", [{ ref: "none" }]),
        { kind: "not-found", message: "network none not found", ref: "none" },
      ],
      ["n1", wish("b", [{ address: "10.0.9.9" }]), stray("10.0.9.9")],
      ["n1", wish("b", [{ address: "10.0.1.1" }]), stray("10.0.1.1")],
      ["n1", wish("b", [{ address: "10.0.1.255" }]), stray("10.0.1.255")],
      ["n1", wish("b", [{ address6: "fd00::5" }]), stray("fd00::5")],
      [
        "n1",
        wish("b", [{ address: "10.0.1.2" }]),
        { kind: "exists", message: "Address already in use (10.0.1.2)" },
      ],
      [
        "n1",
        wish("b", [{ ref: "front" }, { ref: networks.get("front").id }]),
        { kind: "forbidden", message: "endpoint with name shell-b already exists in network front" },
      ],
      ["n2", wish("a"), { kind: "forbidden", message: `container ${id("a")} is on another node` }],
      ["n2", wish("a", []), { kind: "forbidden" }],
      ["n9", wish("b"), { kind: "not-found", message: "node n9 not found" }],
    ];
    for (const [nodeId, said, refusal] of table)
      expect(await refusalOf(nodeId, said)).toMatchObject(refusal as object);
  });

  test("gets an IPv6 address where its network has them, or the one that it asks for", async () => {
    await makeNetwork("six", { ipv6: true, ipam: [{ subnet: "fd00:6::/64" }] });
    await guests.place("n1", wish("a", [{ ref: "six" }]));
    await guests.place("n1", wish("b", [{ ref: "six", address6: "fd00:6::77" }]));
    const sixth = (digit: string) => store.view.get("guest", id(digit))?.attachments[0]?.address6;
    expect([sixth("a"), sixth("b")]).toEqual(["fd00:6::2", "fd00:6::77"]);
  });

  test("one more address than its own must be left for a node that has none yet", async () => {
    await makeNetwork("tight", { ipam: [{ subnet: "10.0.5.0/29", auxAddresses: aux("10.0.5.", 2, 5) }] });
    expect(await refusalOf("n1", wish("a", [{ ref: "tight" }]))).toMatchObject({
      ...{ kind: "precondition", message: "network tight has no free address", ref: "tight" },
    });
  });
});

/** So many addresses that nobody may have. */
function aux(prefix: string, from: number, to: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: to - from + 1 }, (_, i) => [`host${i}`, `${prefix}${from + i}`]),
  );
}

test("a network that is made while the leader gives another its VNI does not get the same", async () => {
  await seed(put("network", unsaved(aNetwork("ingress", { ingress: true }))));
  const planned = planCluster(store.view, { now: 0, newId: () => "x" }).changes;
  expect(JSON.stringify(planned)).toContain('"vni":4097');
  await makeNetwork("back");
  expect(networks.get("back").state?.vni).toBe(4097);
  await expect(seed(...planned)).rejects.toThrow("update out of sequence");
});

describe("a network and a node with containers made by hand", () => {
  test("the network is in use, in words that name the container", async () => {
    await guests.place("n1", wish("a"));
    await expect(networks.remove("front")).rejects.toMatchObject({
      kind: "precondition",
      message: expect.stringMatching(/ is in use by container shell-a \(a{12}\) on node n1$/),
    });
    await guests.keepOnly("n1", new Set());
    await networks.remove("front");
  });

  test("a node that is down keeps its guests' addresses, but holds no network; what is gone, it finds gone", async () => {
    await makeNetwork("back");
    await guests.place("n1", wish("a", [{ ref: "front" }, { ref: "back" }]));
    await guests.place("n1", wish("b"));
    const node = store.view.get("node", "n1")!;
    await seed(put("node", { ...node, status: { ...node.status, state: "down", downAt: 0 } }));
    const days = 30 * 24 * 3_600_000;
    const { changes } = planCluster(store.view, { now: days, newId: () => "x" });
    expect(changes.filter(({ kind }) => kind === "guest")).toEqual([]);
    expect(addressOf("a")).toBe("10.0.1.2");
    await networks.remove("front");
    expect(guests.list().map((g) => [g.spec.name, g.attachments.length])).toEqual([["shell-a", 1]]);
  });

  test("a drained node keeps them; a removed one does not, and its tasks' network is free again", async () => {
    await guests.place("n1", wish("a"));
    await seed(put("task", unsaved(aRunning(aService("web"), 1, "n1", { desiredState: "shutdown" }))));
    const node = store.view.get("node", "n1")!;
    await nodes.update("n1", node.version, { ...node.spec, availability: "drain" });
    await plan();
    expect(addressOf("a")).toBe("10.0.1.2");
    await nodes.remove("n1", true);
    expect(guests.list()).toEqual([]);
    await networks.remove("front");
  });
});
