import { afterAll, beforeAll, expect, test } from "vitest";
import { Zones } from "../../src/dns/index.ts";
import { addressesOf } from "../../src/dns/zone.ts";
import type { SandboxPlace, SandboxWish } from "../../src/engine/index.ts";
import { messageOf } from "../../src/lib/index.ts";
import { aService } from "../../src/model/objects.fake.ts";
import { explain, printTrace } from "../../src/trace/index.ts";
import { PlayedCluster, type PlayedNode } from "../support/played-cluster.ts";
import { connectTimes, pings, serve, type Talk, talkOverTcp } from "../support/traffic.ts";
import { until } from "../support/until.ts";

/*
 * Containers made by hand on an attachable overlay (docs/guests.md), on two hosts with real kernels, under a real manager and agents: with
 * each other, with a service, and over a restart.
 */

const [A, B, C] = ["a".repeat(64), "b".repeat(64), "c".repeat(64)] as const;
const NAMES: Readonly<Record<string, string>> = { [A]: "alice", [B]: "bob", [C]: "carol" };
const servers: Talk[] = [];
let cluster: PlayedCluster;
let n1: PlayedNode;
let n2: PlayedNode;
let alice: SandboxPlace;
let bob: SandboxPlace;
let task: { readonly netns: string; readonly name: string; readonly address: string };

let front: string;
const wish = (containerId: string, rest: Partial<SandboxWish> = {}): SandboxWish => ({
  ...{ containerId, name: NAMES[containerId] ?? "", networks: [{ ref: "front", aliases: [] }], ports: [] },
  ...rest,
});
const addressOn = ({ endpoints }: SandboxPlace) => endpoints[0]?.address.split("/")[0] ?? "";
const answer = async (from: string, to: string, port = 80) =>
  (await connectTimes(from, to, port, 1, 1_000))[0];
const view = () => cluster.manager.store.view;

/** What the node's resolver says to who asks from this address on the gateway bridge. */
const resolve = (node: PlayedNode, asker: string, name: string) => {
  const zone = new Zones(node.applier.facts()).zoneOf(asker);
  return zone && addressesOf(zone, name);
};

beforeAll(async () => {
  cluster = await PlayedCluster.open();
  [n1, n2] = cluster.nodes as [PlayedNode, PlayedNode];
  front = cluster.manager.networks.get("front").id;
  const base = aService("web").spec;
  const networks = [{ target: front, aliases: [] }];
  const placement = { ...base.task.placement, constraints: ["node.hostname==n2"] };
  await cluster.manager.services.create({ ...base, task: { ...base.task, networks, placement } });
  alice = await n1.attach(wish(A));
  bob = await n2.attach(wish(B, { networks: [{ ref: front, aliases: ["tools"], address: "10.0.1.99" }] }));
  await until(() => [...view().all("task")].some(({ status }) => status.state === "running"));
  const [web] = view().all("task");
  task = {
    netns: n2.host.path(`task-${web!.id}`),
    name: `web.1.${web!.id}`,
    address: web!.attachments.find(({ networkId }) => networkId === front)!.address,
  };
  servers.push(await serve(alice.netns, "alice", 80), await serve(bob.netns, "bob", 80));
  servers.push(await serve(task.netns, "web", 80));
});

afterAll(async () => {
  for (const server of servers) server.stop();
  await cluster.close();
});

test("they reach each other on two hosts by their addresses, each sees the other's", async () => {
  expect(addressOn(bob)).toBe("10.0.1.99");
  expect(await answer(alice.netns, addressOn(bob))).toBe(`bob ${addressOn(alice)}`);
  expect(await answer(bob.netns, addressOn(alice))).toBe(`alice ${addressOn(bob)}`);
  expect(await pings(alice.netns, addressOn(bob))).toBe(true);
});

test("they reach a service's VIP and its task, and the task reaches them", async () => {
  const vip = view()
    .serviceByName("web")!
    .endpoint!.vips.find(({ networkId }) => networkId === front)!.address;
  for (const from of [alice, bob]) {
    expect(await answer(from.netns, vip)).toBe(`web ${addressOn(from)}`);
    expect(await answer(from.netns, task.address)).toBe(`web ${addressOn(from)}`);
  }
  expect(await answer(task.netns, addressOn(alice))).toBe(`alice ${task.address}`);
  expect(await answer(task.netns, addressOn(bob))).toBe(`bob ${task.address}`);
});

test("names: theirs from any node and from tasks, a service's and its task's from them", () => {
  const [ofTask] = n2.applier.facts().tasks.filter(({ taskId }) => ![A, B].includes(taskId as never));
  for (const [node, asker] of [
    [n1, alice.gatewayAddress],
    [n2, bob.gatewayAddress],
    [n2, ofTask!.gatewayAddress],
  ] as const) {
    expect(resolve(node, asker, "alice")).toEqual([addressOn(alice)]);
    for (const name of ["bob", "tools", "bbbbbbbbbbbb"])
      expect(resolve(node, asker, name)).toEqual([addressOn(bob)]);
    expect(resolve(node, asker, task.name)).toEqual([task.address]);
    expect(resolve(node, asker, "web")).toHaveLength(1);
    expect(resolve(node, asker, "tasks.web")).toEqual([task.address]);
  }
});

test("trace knows them by their names, from both ends", async () => {
  const traced = async (node: PlayedNode, client: string, destination: string) => {
    const ground = { facts: node.applier.facts(), own: ["192.168.7.1"], listening: new Set<string>() };
    return printTrace(explain(await node.applier.observe(), ground, { client, destination }));
  };
  const there = await traced(n1, "alice", "bob");
  expect(there).toContain("name bob is 10.0.1.99 on front");
  expect(there).toMatch(/container alice[\s\S]*sandbox of front[\s\S]*n2/);
  expect(await traced(n2, "bob", `${addressOn(alice)}:80`)).toMatch(/alice on front/);
  expect(await traced(n2, "web.1", "tools")).toMatch(/delivered to container bob/);
});

test("a published port leads to the container, and it reaches the outside", async () => {
  const ports = [{ protocol: "tcp", target: 80, published: 8081 }] as const;
  const carol = await n1.attach(wish(C, { ports }));
  servers.push(await serve(carol.netns, "carol", 80), await serve(n2.host.path(), "world", 9000));
  expect(await answer(n2.host.path(), "192.168.7.1", 8081)).toBe("carol 192.168.7.2");
  expect(await answer(carol.netns, "192.168.7.2", 9000)).toBe("world 192.168.7.1");
  const held = addressOn(carol);
  await n1.sandboxes.detach(C);
  await until(() => view().get("guest", C) === undefined);
  expect(await answer(alice.netns, held)).not.toContain("carol");
  expect(resolve(n1, alice.gatewayAddress, "carol")).toBeUndefined();
});

test("a network that is not attachable, or an address that is taken, is refused, and nothing stays", async () => {
  const refusal = (networks: SandboxWish["networks"]) =>
    n1.attach(wish(C, { networks })).then(() => "none", messageOf);
  expect(await refusal([{ ref: "shut", aliases: [] }])).toBe(
    "Could not attach to network shut: rpc error: code = PermissionDenied desc = network shut not manually attachable",
  );
  expect(await refusal([{ ref: "front", aliases: [], address: "10.0.1.99" }])).toBe(
    "Could not attach to network front: Address already in use (10.0.1.99)",
  );
  expect(view().get("guest", C)).toBeUndefined();
  await expect(cluster.manager.networks.remove("front")).rejects.toThrow(/is in use by/);
});

test("connections live through a restart of a node's daemon, and the address stays", async () => {
  servers.push(await serve(bob.netns, "echo", 7));
  const talk = await talkOverTcp(alice.netns, addressOn(bob), 7);
  servers.push(talk);
  expect(await talk.ask("before")).toBe("before");
  for (const [node, id, place] of [
    [n1, A, alice],
    [n2, B, bob],
  ] as const) {
    await node.stop();
    expect(await talk.ask(`${node.id} is away`)).toBe(`${node.id} is away`);
    const session = view().get("node", node.id)!.version;
    node.start([{ wish: wish(id), place }]);
    await until(() => view().get("node", node.id)!.version > session);
    await node.applier.engine.settle();
    expect(await talk.ask(`${node.id} is back`)).toBe(`${node.id} is back`);
    expect(view().get("guest", id)?.attachments).toMatchObject([{ address: addressOn(place) }]);
  }
});

test("one that died while its daemon was away is let go of", async () => {
  await n2.stop();
  n2.start([]);
  await until(() => view().get("guest", B) === undefined);
  expect(view().get("guest", A)).toBeDefined();
  await until(() => n1.applier.facts().guests?.length === 1);
});
