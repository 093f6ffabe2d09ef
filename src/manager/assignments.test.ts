import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { grantGuest } from "../allocator/index.ts";
import type { PeerKeys } from "../dataplane/index.ts";
import { put, remove } from "../model/index.ts";
import {
  aCluster,
  aGuest,
  aNetwork,
  aNode,
  aRunning,
  aSecret,
  aService,
  aTask,
  T0,
} from "../model/objects.fake.ts";
import { viewOf } from "../store/index.ts";
import { AssignmentFeed } from "./assignment-feed.ts";
import { assignmentsFor } from "./assignments.ts";
import { planRing, tunnelNeed } from "./tunnel-ring.ts";
import { type Fate, newWorld, type World, webService } from "./world.fake.ts";

const state = { subnet: "10.0.1.0/24", gateway: "10.0.1.1", vni: 4097 };
const driverOptions = { "com.docker.network.driver.mtu": "9000", "shoal.ipvs.scheduler": "lc" };
const front = aNetwork("front", { driverOptions }, { state });
const back = aNetwork("back", {}, { state: { ...state, subnet: "10.0.2.0/24", vni: 4098 } });

/** The set as keys to values. */
function told(view: Parameters<typeof assignmentsFor>[0], nodeId: string): Record<string, unknown> {
  return Object.fromEntries([...assignmentsFor(view, nodeId)].map(([key, json]) => [key, JSON.parse(json)]));
}

describe("assignmentsFor()", () => {
  const base = aService("web");
  const secret = { ...base.spec.task.container, registryAuth: "s3cret" };
  const web = aService("web", { task: { ...base.spec.task, container: secret } });
  const db = aService(
    "db",
    {},
    {
      endpoint: {
        spec: base.spec.endpoint,
        ports: [],
        vips: [{ networkId: "net-back", address: "10.0.2.2" }],
      },
    },
  );
  const on = (networkId: string, address: string) => ({ attachments: [{ networkId, address }] });
  const viewOfNodes = {
    network: [front, back],
    node: [
      aNode("n1", { attachments: { "net-front": "10.0.1.3" } }),
      aNode("n2", { attachments: { "net-front": "10.0.1.4", "net-back": "10.0.2.4" } }),
    ],
  };
  const view = viewOf({
    ...viewOfNodes,
    service: [web, db],
    task: [
      aRunning(web, 1, "n1", on("net-front", "10.0.1.5")),
      aRunning(web, 2, "n2", on("net-front", "10.0.1.6")),
      aRunning(db, 1, "n2", on("net-back", "10.0.2.5")),
      aTask(web, 3, {
        nodeId: "n2",
        ...on("net-front", "10.0.1.7"),
        status: { at: T0, state: "starting", message: "" },
      }),
      aRunning(web, 4, "n2", { ...on("net-front", "10.0.1.8"), desiredState: "shutdown" }),
      aTask(web, 5, on("net-front", "10.0.1.9")),
    ],
  });

  test("an endpoint is told with the mesh's ports that its task was made with, whatever its service says now", () => {
    const port = { name: "", protocol: "tcp", target: 80, published: 8080, publishMode: "ingress" } as const;
    const before = { mode: "vip", ports: [port, { ...port, published: 0, publishMode: "host" }] } as const;
    const after = { mode: "vip", ports: [{ ...port, target: 81 }] } as const;
    const moved = aService(
      "moved",
      { endpoint: after },
      {
        endpoint: {
          spec: after,
          ports: after.ports,
          vips: [{ networkId: "net-front", address: "10.0.1.9" }],
        },
      },
    );
    const old = aRunning(moved, 1, "n2", { ...on("net-front", "10.0.1.30"), endpoint: before });
    const anew = aRunning(moved, 2, "n2", { ...on("net-front", "10.0.1.31"), endpoint: after });
    const rows = told(viewOf({ ...viewOfNodes, service: [moved], task: [old, anew] }), "n1");
    const said = (target: number) => ({ ports: [{ protocol: "tcp", published: 8080, target }] });
    expect(rows["endpoint/moved-1"]).toMatchObject(said(80));
    expect(rows["endpoint/moved-2"]).toMatchObject(said(81));
    expect(rows["service/svc-moved"]).toMatchObject(said(81));
  });

  test("IPv6 is told beside IPv4, where there is any", () => {
    const v6 = { subnet: "fd00:1::/64", gateway: "fd00:1::1", cursor: "fd00:1::9" };
    const dual = aNetwork("front", {}, { state: { ...state, v6 } });
    const vips = [{ networkId: "net-front", address: "10.0.1.2", address6: "fd00:1::2" }];
    const service = aService("web", {}, { endpoint: { spec: base.spec.endpoint, ports: [], vips } });
    const place = { networkId: "net-front", address: "10.0.1.5", address6: "fd00:1::5" };
    const set = told(
      viewOf({
        ...{ network: [dual, back], service: [service], node: viewOfNodes.node },
        task: [aRunning(service, 1, "n1", { attachments: [place] })],
      }),
      "n1",
    );
    expect(set["network/net-front"]).toMatchObject({ v6: { subnet: "fd00:1::/64", gateway: "fd00:1::1" } });
    expect(set["network/net-front"]).not.toHaveProperty("v6.cursor");
    expect(set[`service/${service.id}`]).toMatchObject({ vips6: { "net-front": "fd00:1::2" } });
    const addresses6 = { "net-front": "fd00:1::5" };
    expect(set["attachment/web-1"]).toMatchObject({ addresses6 });
    expect(set["endpoint/web-1"]).toMatchObject({ addresses6 });
    expect(told(view, "n1")["attachment/web-1"]).not.toHaveProperty("addresses6");
  });

  test("a peer without an IPv4 tunnel end is nobody's peer: one node's word must not break the others' plans", () => {
    const bad = aNode("n3", { attachments: { "net-front": "10.0.1.9" }, dataPathAddress: "10.0.0.1 }" });
    const nodes = { ...viewOfNodes, node: [...viewOfNodes.node, bad] };
    expect(Object.keys(told(viewOf(nodes), "n1"))).toContain("node/n2");
    expect(Object.keys(told(viewOf(nodes), "n1"))).not.toContain("node/n3");
  });

  test("tells a node its tasks, and of its networks the peers, services, endpoints and who may still answer", () => {
    expect(Object.keys(told(view, "n1")).sort((a, b) => (a < b ? -1 : 1))).toEqual([
      "attachment/web-1",
      "attachment/web-2",
      "attachment/web-3",
      "attachment/web-4",
      "endpoint/web-1",
      "endpoint/web-2",
      "network/net-front",
      "node/n1",
      "node/n2",
      "self/n1",
      "task/web-1",
    ]);
  });

  test("a container made by hand is told with its names to the nodes on its networks, and what concerns those", () => {
    const known = aGuest("c", "n2", { "net-front": "10.0.1.20", "net-back": "10.0.2.20" });
    const networks = known.spec.networks.map((on) => ({ ...on, aliases: [`alias-${on.target}`] }));
    const guest = { ...known, spec: { ...known.spec, networks } };
    const with6 = viewOf({ ...viewOfNodes, guest: [guest] });
    const names = { "net-front": ["shell-c", "alias-net-front", "cccccccccccc"] };
    expect(told(with6, "n1")[`guest/${guest.id}`]).toEqual({
      ...{ id: guest.id, nodeId: "n2", addresses: { "net-front": "10.0.1.20" }, names },
    });
    expect(told(with6, "n1")[`attachment/${guest.id}`]).toEqual({
      ...{ taskId: guest.id, nodeId: "n2", addresses: { "net-front": "10.0.1.20" } },
    });
    expect(told(with6, "n2")[`guest/${guest.id}`]).toMatchObject({
      addresses: { "net-front": "10.0.1.20", "net-back": "10.0.2.20" },
    });
    expect(Object.keys(told(with6, "n2")).filter((key) => key.startsWith("task/"))).toEqual([]);
  });

  test("tells each node what the cluster wants of it, and no other", () => {
    const drained = aNode("n1", { attachments: {} });
    const { spec } = drained;
    const nodes = [{ ...drained, spec: { ...spec, availability: "drain" as const } }, aNode("n2")];
    expect(told(viewOf({ node: nodes }), "n1")).toEqual({ "self/n1": { availability: "drain" } });
    expect(told(viewOf({ node: nodes }), "n2")).toEqual({ "self/n2": { availability: "active" } });
  });

  test("says nothing of networks the node is not on, and no secret of tasks it does not run", () => {
    const text = JSON.stringify(told(view, "n1"));
    expect(text).not.toContain("10.0.2.");
    expect(text).not.toContain("net-back");
    expect(JSON.stringify({ ...told(view, "n1"), "task/web-1": 0 })).not.toContain("s3cret");
    expect(JSON.stringify(told(view, "n2"))).toContain("10.0.2.5");
  });

  test("facts are what the data plane reads", () => {
    expect(told(view, "n1")).toMatchObject({
      "network/net-front": {
        id: "net-front",
        name: "front",
        vni: 4097,
        subnet: "10.0.1.0/24",
        gateway: "10.0.1.1",
        mtu: 8950,
        scheduler: "lc",
        ingress: false,
        internal: false,
      },
      "node/n2": { id: "n2", dataPathAddress: "10.9.0.1", addresses: { "net-front": "10.0.1.4" } },
      "endpoint/web-2": { taskId: "web-2", serviceId: "svc-web", name: "web.2.web-2", nodeId: "n2" },
    });
  });

  test("a task's own reports are not echoed", () => {
    expect(told(view, "n1")["task/web-1"]).not.toHaveProperty("status");
    expect(told(view, "n1")["task/web-1"]).not.toHaveProperty("version");
  });

  test("nothing points at a node that is down; a node that is not a member is told nothing", () => {
    const down = viewOf({
      network: [front],
      node: [
        aNode("n1", { attachments: { "net-front": "10.0.1.3" } }),
        aNode("n2", { attachments: {}, status: { state: "down", message: "", address: "" } }),
      ],
      task: [aRunning(web, 2, "n2", on("net-front", "10.0.1.6"))],
    });
    expect(Object.keys(told(down, "n1"))).toEqual(["network/net-front", "self/n1", "node/n1"]);
    expect(told(down, "n9")).toEqual({});
  });
});

const token = aSecret("token");
const motd = aSecret("motd");

/** The container's words with both files. */
function withFiles(spec: ReturnType<typeof webService>["spec"]) {
  const refer = ({ id, spec: { name } }: typeof token) => ({
    ...{ id, name },
    file: { name, uid: 0, gid: 0, mode: 0o444 },
  });
  const container = { ...spec.task.container, secrets: [refer(token)], configs: [refer(motd)] };
  return { ...spec, task: { ...spec.task, container } };
}

describe("keys of encrypted networks", () => {
  const dark = aNetwork("dark", { driverOptions: { encrypted: "" } }, { state });
  const at = (id: string, ...on: string[]) =>
    aNode(id, {
      attachments: Object.fromEntries(on.map((network) => [`net-${network}`, `10.0.1.${id.slice(1)}`])),
      tunnelEnd: { boot: `boot of ${id}`, lack: "" },
    });
  const deep = aNetwork("deep", { driverOptions: { encrypted: "" } }, { state });
  const [dark12, both] = [["n1", "n2"].map((id) => at(id, "dark")), at("n3", "dark", "deep", "back")];
  const nodes = [...dark12, both, at("n4", "back"), at("n5", "deep", "back")];
  const networks = { node: nodes, network: [dark, deep, back] };
  let count = 0;
  const ring = planRing(undefined, tunnelNeed(viewOf(networks)), T0, () => `c2VjcmV0${count++}`)!;
  const view = viewOf({ ...networks, cluster: [{ ...aCluster(), tunnels: ring }] });
  const keysOf = (id: string) =>
    Object.entries(told(view, id)).flatMap(([key, value]) =>
      key.startsWith("keys/") ? [value as PeerKeys] : [],
    );

  test("are told to the two of a pair, and are the same to both", () => {
    expect(keysOf("n1").map(({ nodeId }) => nodeId)).toEqual(["n2", "n3"]);
    const [, back] = [keysOf("n1")[0]!, keysOf("n2")[0]!];
    expect(back.nodeId).toBe("n1");
    expect(keysOf("n1")[0]!.outbound[0]).toEqual(back.inbound[1]);
    expect(told(view, "n1")["network/net-dark"]).toMatchObject({ encrypted: true, mtu: 1450 });
  });

  test("nobody hears of another pair's, of what they are made of, or without a need", () => {
    expect(keysOf("n4")).toEqual([]);
    // Two who are on encrypted networks, but on none together, though on one in clear.
    expect(keysOf("n3").map(({ nodeId }) => nodeId)).toEqual(["n1", "n2", "n5"]);
    expect(keysOf("n5").map(({ nodeId }) => nodeId)).toEqual(["n3"]);
    const text = JSON.stringify(told(view, "n1"));
    for (const { inbound, outbound, nodeId } of keysOf("n2")) {
      if (nodeId === "n1") continue;
      for (const { key } of [...inbound, ...outbound]) expect(text).not.toContain(key);
    }
    for (const id of ["n1", "n4"])
      expect(JSON.stringify(told(view, id))).not.toMatch(new RegExp(`c2VjcmV0|boot of|${ring.secrets[0]}`));
  });
});

describe("a secret or config", () => {
  const user = aService("user", withFiles(aService("user").spec));
  const viewWith = (...tasks: ReturnType<typeof aTask>[]) =>
    viewOf({
      ...{ node: [aNode("n1"), aNode("n2")], service: [user], task: tasks },
      ...{ secret: [token, aSecret("spare")], config: [motd] },
    });
  const keys = (view: ReturnType<typeof viewOf>, id: string) =>
    Object.keys(told(view, id)).filter((key) => /^(secret|config)/.test(key));

  test("is told before its task, to the task's node alone", () => {
    const view = viewWith(aRunning(user, 1, "n1"));
    expect(Object.keys(told(view, "n1")).slice(0, 3)).toEqual([
      `secret/${token.id}`,
      `config/${motd.id}`,
      "task/user-1",
    ]);
    expect(told(view, "n1")[`secret/${token.id}`]).toEqual({ id: token.id, data: token.spec.data });
    expect(keys(view, "n2")).toEqual([]);
  });

  test("is not told for a task that has no node yet, or has ended", () => {
    const status = { at: T0, state: "failed", message: "" } as const;
    expect(keys(viewWith(aTask(user, 1, { nodeId: "n1" })), "n1")).toEqual([]);
    expect(keys(viewWith(aTask(user, 1, { nodeId: "n1", status })), "n1")).toEqual([]);
    const both = viewWith(aTask(user, 1, { nodeId: "n1", status }), aRunning(user, 2, "n1"));
    expect(keys(both, "n1")).toHaveLength(2);
  });
});

type Step =
  | { readonly kind: "scale"; readonly to: number }
  | { readonly kind: "force" }
  | { readonly kind: "files"; readonly labels: number }
  | { readonly kind: "node"; readonly id: string; readonly state: "ready" | "down"; readonly drain: boolean }
  | { readonly kind: "remove"; readonly id: string }
  | { readonly kind: "guest"; readonly digit: string; readonly id: string; readonly stays: boolean }
  | { readonly kind: "network"; readonly internal: boolean; readonly encrypted: boolean }
  | { readonly kind: "keys"; readonly boot: string; readonly id: string }
  | { readonly kind: "time"; readonly ms: number; readonly failing: number };

const nodeId = fc.constantFrom("n1", "n2", "n3");
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("scale" as const), to: fc.nat(5) }),
  fc.record({ kind: fc.constant("force" as const) }),
  fc.record({ kind: fc.constant("files" as const), labels: fc.nat(3) }),
  fc.record({
    kind: fc.constant("node" as const),
    id: nodeId,
    state: fc.constantFrom("ready" as const, "down" as const),
    drain: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("remove" as const), id: fc.constant("n3") }),
  fc.record({
    kind: fc.constant("guest" as const),
    digit: fc.constantFrom("a", "b"),
    id: nodeId,
    stays: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("network" as const), internal: fc.boolean(), encrypted: fc.boolean() }),
  fc.record({ kind: fc.constant("keys" as const), boot: fc.constantFrom("", "b1", "b2"), id: nodeId }),
  fc.record({
    kind: fc.constant("time" as const),
    ms: fc.integer({ min: 1, max: 9_000 }),
    failing: fc.nat(6),
  }),
);

/** What each step does to the world. */
const ACTS: { readonly [K in Step["kind"]]: (world: World, step: Extract<Step, { kind: K }>) => void } = {
  scale: (world, { to }) => world.update((spec) => ({ ...spec, mode: { kind: "replicated", replicas: to } })),
  force: (world) =>
    world.update((spec) => ({ ...spec, task: { ...spec.task, forceUpdate: spec.task.forceUpdate + 1 } })),
  // The service comes to its files, or somebody relabels one of them.
  files: (world, { labels }) => {
    if (labels === 0) return world.update(withFiles);
    const secret = world.view.get("secret", token.id)!;
    return world.write([put("secret", { ...secret, spec: { ...secret.spec, labels: { n: `${labels}` } } })]);
  },
  node: (world, { id, state: now, drain }) => {
    if (world.view.get("node", id)) world.node(id, now, drain ? "drain" : "active");
  },
  remove: (world, { id }) => {
    const node = world.view.get("node", id);
    if (node) world.write([{ op: "delete", kind: "node", id, version: node.version }]);
  },
  // A container made by hand comes, or goes.
  guest: (world, { digit, id, stays }) => {
    const known = world.view.get("guest", digit.repeat(64));
    if (known !== undefined && !stays) world.write([remove("guest", known)]);
    if (known !== undefined || world.view.get("node", id) === undefined) return;
    const guest = aGuest(digit, id, { "net-front": "" });
    const grant = grantGuest(world.view, { ...guest, wanted: guest.spec.networks, attachments: [] });
    if ("error" in grant) return;
    world.write([put("guest", { ...guest, attachments: grant.attachments }), ...grant.changes]);
  },
  network: (world, { internal, encrypted }) => {
    const network = world.view.get("network", "net-front")!;
    const driverOptions: Record<string, string> = encrypted ? { encrypted: "" } : {};
    world.write([put("network", { ...network, spec: { ...network.spec, internal, driverOptions } })]);
  },
  // A node says anew what it is as a tunnel's end, or the epoch is over.
  keys: (world, { boot, id }) => {
    const [node, cluster] = [world.view.get("node", id), world.view.cluster()!];
    if (boot !== "" && node) world.write([put("node", { ...node, tunnelEnd: { boot, lack: "" } })]);
    if (boot !== "") return;
    const { tunnels: ring, ...rest } = cluster;
    const secret = () => `secret of ${ring?.epoch ?? 0}`;
    const later = (ring?.since ?? world.now) + 12 * 3_600_000;
    const tunnels = planRing(ring, tunnelNeed(world.view), later, secret);
    world.write([put("cluster", { ...rest, ...(tunnels && { tunnels }) })]);
  },
  time: (world, { ms, failing }) => {
    const fate: Fate = (task) => (task.slot === failing ? "failed" : "running");
    world.run(ms, fate);
  },
};

test("a feed that follows commit by commit holds the whole set, and its differences say just that", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 15 }), (steps) => {
      const end = { tunnelEnd: { boot: "b0", lack: "" } };
      const nodes = ["n1", "n2", "n3"].map((id) => aNode(id, end));
      const world = newWorld(nodes, [webService(3)]);
      ACTS.network(world, { kind: "network", internal: false, encrypted: true });
      world.write(
        [token, motd].map((file, i) => put(i === 0 ? "secret" : "config", { ...file, version: 0 })),
      );
      const feeds = ["n1", "n2", "n3"].map((id) => {
        const feed = new AssignmentFeed(id);
        const held = new Map(feed.begin(world.view).upserts.map(({ key, json }) => [key, json]));
        return { id, feed, held };
      });
      world.watch = (changes) => {
        for (const { id, feed, held } of feeds) {
          const { upserts, removals } = feed.follow(world.view, changes);
          for (const { key, json } of upserts) {
            if (held.get(key) === json) throw new Error(`${id} is told ${key} twice`);
            held.set(key, json);
          }
          for (const key of removals) if (!held.delete(key)) throw new Error(`${id} never had ${key}`);
        }
      };
      const begin: Step[] = [
        { kind: "time", ms: 1_000, failing: 0 },
        { kind: "keys", boot: "", id: "n1" },
      ];
      for (const s of [...begin, ...steps]) {
        ACTS[s.kind](world, s as never);
        for (const { id, feed, held } of feeds) {
          expect(held).toEqual(assignmentsFor(world.view, id));
          expect(feed.told).toEqual(held);
        }
      }
    }),
    { numRuns: 40 },
  );
});
