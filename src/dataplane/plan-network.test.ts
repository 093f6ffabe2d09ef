import fc from "fast-check";
import { expect, test } from "vitest";
import { contains, formatCidr, isWithin, parseIpv4, requireCidr, subnetsOf } from "../lib/index.ts";
import {
  HOST,
  type Namespace,
  type NodeNetwork,
  printNamespace,
  printNodeNetwork,
} from "../netstate/index.ts";
import type { EndpointFact, NetworkFact, NetworkFacts, NodeFact, ServiceFact, TaskFact } from "./facts.ts";
import { planNetwork } from "./plan-network.ts";
import { SCENARIOS, TAG } from "./scenarios.fake.ts";

const plan = (facts: NetworkFacts, tag = TAG): NodeNetwork => planNetwork(facts, { tag });

/** What a random swarm is made of; every number is used modulo what there is. */
interface Seeds {
  readonly nodes: number;
  /** Networks have two subnets, and members in both. */
  readonly split: boolean;
  readonly networks: readonly { readonly internal: boolean; readonly members: number }[];
  readonly services: readonly { readonly on: number; readonly vip: boolean; readonly published: boolean }[];
  readonly tasks: readonly {
    readonly service: number;
    readonly node: number;
    readonly phase: "starting" | "running" | "lingering";
    readonly hostPort: boolean;
  }[];
}

const seeds: fc.Arbitrary<Seeds> = fc.record({
  nodes: fc.integer({ min: 1, max: 4 }),
  split: fc.boolean(),
  networks: fc.array(fc.record({ internal: fc.boolean(), members: fc.nat(15) }), { maxLength: 3 }),
  services: fc.array(fc.record({ on: fc.nat(7), vip: fc.boolean(), published: fc.boolean() }), {
    maxLength: 4,
  }),
  tasks: fc.array(
    fc.record({
      service: fc.nat(9),
      node: fc.nat(4),
      phase: fc.constantFrom("starting" as const, "running" as const, "lingering" as const),
      hostPort: fc.boolean(),
    }),
    { maxLength: 8 },
  ),
});

/** Facts as a manager could send them; node 5 has tasks but is no member, "lingering" tasks are known to the agent only. */
function factsOf({
  nodes: count,
  split,
  networks: extra,
  services: wanted,
  tasks: drawn,
}: Seeds): NetworkFacts {
  const networks: NetworkFact[] = [{ internal: false, members: 15 }, ...extra].map(({ internal }, i) => ({
    id: i === 0 ? "ingress" : `net${i}`,
    name: i === 0 ? "ingress" : `net${i}`,
    vni: i === 2 ? 2 ** 24 - 1 : 4096 + i,
    subnet: split ? `10.${i}.0.0/25` : `10.${i}.0.0/24`,
    gateway: `10.${i}.0.1`,
    ...(split && { more: [{ subnet: `10.${i}.0.128/25`, gateway: `10.${i}.0.129` }] }),
    mtu: 1450,
    ingress: i === 0,
    internal,
  }));
  const members = (i: number): number => (i === 0 ? 15 : (extra[i - 1]?.members ?? 0));
  const next = networks.map(() => 10);
  const draw = (i: number): string => {
    const last = (next[i] ?? 0) < 120 ? next[i]!++ : 0;
    return `10.${i}.0.${split && last % 2 === 1 ? last + 128 : last}`;
  };
  const nodes = Array.from({ length: count }, (_, n): NodeFact => {
    const last = split && n % 2 === 1 ? n + 129 : n + 2;
    const on = networks.flatMap(({ id }, i) => ((members(i) >> n) & 1 ? [[id, `10.${i}.0.${last}`]] : []));
    return { id: `node${n + 1}`, dataPathAddress: `192.168.7.${n + 1}`, addresses: Object.fromEntries(on) };
  });
  const isOn = wanted.map(({ on, published }) =>
    networks.flatMap((_, i) => ((i === 0 ? published : (on >> (i - 1)) & 1) ? [i] : [])),
  );
  const services = wanted.map(({ vip, published }, s): ServiceFact => {
    const vips = (isOn[s] ?? []).flatMap((i) => (vip || i === 0 ? [[networks[i]!.id, draw(i)]] : []));
    const ports = published ? [{ protocol: "tcp" as const, published: 8000 + s, target: 80 }] : [];
    return { id: `service${s}`, name: `service${s}`, vips: Object.fromEntries(vips), aliases: {}, ports };
  });
  const tasks = services.length === 0 ? [] : drawn;
  const rows = tasks.map(({ service, node, phase, hostPort }, t) => {
    const s = service % services.length;
    const addresses = Object.fromEntries((isOn[s] ?? []).map((i) => [networks[i]!.id, draw(i)]));
    return {
      taskId: `task${t}00`,
      serviceId: `service${s}`,
      nodeId: `node${node + 1}`,
      addresses,
      phase,
      hostPort,
      t,
    };
  });
  return {
    self: {
      nodeId: "node1",
      dataPathAddress: "192.168.7.1",
      gatewaySubnet: "172.18.0.0/16",
      dataPathPort: 4789,
    },
    networks,
    nodes,
    services,
    endpoints: rows
      .filter((row) => row.phase === "running")
      .map(
        ({ taskId, serviceId, nodeId, addresses }): EndpointFact => ({
          taskId,
          serviceId,
          nodeId,
          addresses,
          name: taskId,
        }),
      ),
    attachments: rows
      .filter((row) => row.phase !== "lingering")
      .map(({ taskId, nodeId, addresses }) => ({ taskId, nodeId, addresses })),
    tasks: rows
      .filter((row) => row.nodeId === "node1")
      .map(
        ({ taskId, serviceId, addresses, hostPort, t }): TaskFact => ({
          taskId,
          serviceId,
          addresses,
          gatewayAddress: `172.18.0.${16 + t}`,
          hostPorts: hostPort ? [{ protocol: "udp", published: 9000 + t, target: 53 }] : [],
        }),
      ),
  };
}

const facts: fc.Arbitrary<NetworkFacts> = seeds.map(factsOf);

/** The facts with every list in another order. */
function shuffled(of: NetworkFacts): fc.Arbitrary<NetworkFacts> {
  const mix = <T>(rows: readonly T[]) => fc.shuffledSubarray([...rows], { minLength: rows.length });
  return fc.record({
    self: fc.constant(of.self),
    networks: mix(of.networks),
    nodes: mix(of.nodes),
    services: mix(of.services),
    endpoints: mix(of.endpoints),
    attachments: mix(of.attachments),
    tasks: mix(of.tasks),
  });
}

function sandboxes(network: NodeNetwork): Namespace[] {
  return Object.entries(network.namespaces).flatMap(([name, ns]) => (name.startsWith("net-") ? [ns] : []));
}

/** Every address that a namespace's tables translate to. */
function targets(namespace: Namespace): string[] {
  const rules = namespace.tables.flatMap((t) => t.chains.flatMap((c) => c.rules));
  return rules.filter((r) => r.includes("dnat")).flatMap((r) => r.match(/\d+\.\d+\.\d+\.\d+/g) ?? []);
}

test("the order of rows has no meaning", () => {
  fc.assert(
    fc.property(
      facts.chain((of) => fc.tuple(fc.constant(of), shuffled(of))),
      ([of, mixed]) => {
        expect(plan(mixed)).toEqual(plan(of));
      },
    ),
  );
});

/** Some of the rows of the facts, as the same objects. */
function someOf(of: NetworkFacts): fc.Arbitrary<NetworkFacts> {
  const some = <T>(rows: readonly T[]) => fc.shuffledSubarray([...rows]);
  const { self, networks, nodes, services, tasks } = of;
  return fc.record({
    ...{ self: fc.constant(self), networks: fc.constant(networks), tasks: fc.constant(tasks) },
    ...{ nodes: some(nodes), services: some(services) },
    ...{ endpoints: some(of.endpoints), attachments: some(of.attachments) },
  });
}

test("what was planned before has no meaning", () => {
  const steps = facts.chain((all) => fc.array(someOf(all), { minLength: 2, maxLength: 5 }));
  fc.assert(
    fc.property(steps, (some) => {
      for (const each of some) expect(plan(each)).toEqual(plan(structuredClone(each)));
    }),
  );
});

/** The same nodes and tasks of this node; of the others' some, and some moved to where others are. */
function movedIn(of: NetworkFacts): fc.Arbitrary<NetworkFacts> {
  const move = <T extends EndpointFact | NetworkFacts["attachments"][number]>(rows: readonly T[]) =>
    fc
      .array(fc.record({ kind: fc.nat(5), other: fc.nat(99) }), {
        minLength: rows.length,
        maxLength: rows.length,
      })
      .map((moves) =>
        rows.flatMap((row, i): T[] => {
          const { kind = 0, other = 0 } = moves[i] ?? {};
          const { addresses, nodeId } = rows[other % rows.length] ?? row;
          return [[row], [row], [row], [], [{ ...row, addresses }], [{ ...row, nodeId }]][kind] ?? [];
        }),
      );
  const services = fc.shuffledSubarray([...of.services]);
  return fc
    .tuple(move(of.endpoints), move(of.attachments), services)
    .map(([endpoints, attachments, some]) => ({ ...of, endpoints, attachments, services: some }));
}

test("nor has what others were before", () => {
  const steps = facts.chain((all) => fc.array(movedIn(all), { minLength: 2, maxLength: 6 }));
  fc.assert(
    fc.property(steps, (some) => {
      for (const each of some) expect(plan(each)).toEqual(plan(structuredClone(each)));
    }),
  );
});

test("one endpoint more leaves what it does not concern as the same objects", () => {
  const seed = {
    ...{ nodes: 3, split: false },
    networks: [{ internal: false, members: 15 }],
    services: Array.from({ length: 4 }, () => ({ on: 1, vip: true, published: true })),
    tasks: Array.from({ length: 8 }, (_, i) => ({
      ...{ service: i, node: 1 + (i % 2), hostPort: false, phase: "running" as const },
    })),
  };
  const more = factsOf(seed);
  const less = { ...more, endpoints: more.endpoints.slice(1) };
  const [before, after] = [plan(less), plan(more)].map(
    (planned) => planned.namespaces["net-net1"]?.tables[0]?.chains ?? [],
  );
  const same = after?.filter((chain, i) => chain.name.startsWith("vip-") && chain === before?.[i]);
  expect(same?.map(({ name }) => name)).toEqual(["vip-service1", "vip-service2", "vip-service3"]);
});

test("names fit the kernel: 15 bytes, unique in their namespace, and each veth's peer names it back", () => {
  fc.assert(
    fc.property(facts, (of) => {
      const { namespaces } = plan(of, "abcde");
      for (const [at, { links }] of Object.entries(namespaces)) {
        expect(new Set(links.map((l) => l.name)).size).toBe(links.length);
        for (const link of links) {
          expect(link.name.length).toBeLessThanOrEqual(15);
          if (link.kind !== "veth") continue;
          const peer = namespaces[link.peer.namespace]?.links.find((l) => l.name === link.peer.name);
          expect(peer, `${at} ${link.name}`).toMatchObject({ peer: { namespace: at, name: link.name } });
        }
      }
    }),
  );
});

test("whatever a namespace says is said of a link, set, map or chain that it has", () => {
  fc.assert(
    fc.property(facts, (of) => {
      for (const ns of Object.values(plan(of).namespaces)) {
        const links = new Set(["lo", ...ns.links.map((l) => l.name)]);
        for (const row of [...ns.addresses, ...ns.routes, ...ns.neighbours, ...ns.fdb])
          expect(links).toContain(row.link);
        for (const key of Object.keys(ns.sysctls)) {
          const link = /^net\.ipv4\.(?:conf|neigh)\.([^.]+)\./.exec(key)?.[1];
          if (link !== undefined) expect([...links, "all", "default"]).toContain(link);
        }
        for (const table of ns.tables) {
          const words = [
            ...table.chains.flatMap((c) => c.rules),
            ...table.maps.flatMap((m) => Object.values(m.elements)),
          ];
          const named = new Set([...table.sets, ...table.maps].map((s) => s.name));
          // What has a comma after it is no set but a place in the packet: "@ll,80,16".
          for (const ref of words.join("\n").matchAll(/@([\w-]+)(?![\w,-])/g))
            expect(named).toContain(ref[1]);
          const chains = new Set(table.chains.map((c) => c.name));
          for (const ref of words.join("\n").matchAll(/(?:goto|jump) ([\w-]+)/g))
            expect(chains).toContain(ref[1]);
        }
      }
    }),
  );
});

test("nothing of an overlay network is said in the host's namespace, but who calls the mesh as if he were on it", () => {
  const foreign = /ip saddr (\S+) oifname "\S+-mesh" snat to \S+/g;
  fc.assert(
    fc.property(facts, (of) => {
      const words = printNamespace(plan(of).namespaces[HOST]!);
      const callers = [...words.matchAll(foreign)].map(([, from]) => from);
      const mesh = of.networks.filter(({ ingress }) => ingress).flatMap((network) => subnetsOf(network));
      for (const { subnet } of callers.length > 0 ? mesh : []) expect(callers).toContain(subnet);
      const said = words.replaceAll(foreign, "").match(/\d+\.\d+\.\d+\.\d+/g) ?? [];
      for (const { subnet } of of.networks.flatMap((network) => subnetsOf(network))) {
        expect(said.filter((a) => contains(requireCidr(subnet), parseIpv4(a)!))).toEqual([]);
      }
    }),
  );
});

test("a task has a way to every subnet of its networks, by one of that network's devices, and to no other", () => {
  fc.assert(
    fc.property(facts, (of) => {
      const { namespaces } = plan(of);
      for (const { taskId, addresses } of of.tasks) {
        const { addresses: own, routes } = namespaces[`task-${taskId}`]!;
        const on = of.networks.filter(({ id }) => addresses[id] !== undefined && namespaces[`net-${id}`]);
        const blocks = on.flatMap((network) => subnetsOf(network).map(({ subnet }) => subnet));
        const direct = own.flatMap(({ address }) => blocks.filter((block) => sameBlock(address, block)));
        const routed = routes.flatMap(({ destination, table }) => {
          return table === undefined && blocks.includes(destination) ? [destination] : [];
        });
        expect([...direct, ...routed].sort()).toEqual(blocks.sort());
        for (const { via, link } of routes.filter(({ destination }) => blocks.includes(destination)))
          expect(own.some((a) => a.link === link && isWithin(via ?? "", blockOf(a.address)))).toBe(true);
      }
    }),
  );
});

const blockOf = (address: string): string => formatCidr(requireCidr(address));
const sameBlock = (address: string, block: string): boolean => blockOf(address) === block;

test("the nodes that connections come in by have marks of their own", () => {
  fc.assert(
    fc.property(facts, (of) => {
      const ingress = plan(of).namespaces["net-ingress"];
      const marks = (ingress?.rules ?? []).flatMap(({ mark }) => (mark === 0 ? [] : [mark]));
      expect(new Set(marks).size).toBe(marks.length);
      if (ingress !== undefined) expect(marks).toHaveLength(of.nodes.length - 1);
    }),
  );
});

test("a backend is always an address that the sandbox has a route to", () => {
  fc.assert(
    fc.property(facts, (of) => {
      for (const ns of sandboxes(plan(of))) {
        const reachable = new Set(ns.routes.map((r) => r.destination));
        for (const target of targets(ns)) expect(reachable).toContain(`${target}/32`);
      }
    }),
  );
});

test("every endpoint on a network of this node, at a member of that network, is a backend of its VIP", () => {
  fc.assert(
    fc.property(facts, (of) => {
      const network = plan(of);
      for (const endpoint of of.endpoints) {
        for (const [id, address] of Object.entries(endpoint.addresses)) {
          const member = (node: string) =>
            of.nodes.some((n) => n.id === node && n.addresses[id] !== undefined);
          const vip = of.services.find((s) => s.id === endpoint.serviceId)?.vips[id];
          if (vip === undefined || !member("node1") || !member(endpoint.nodeId)) continue;
          const local = endpoint.nodeId !== "node1" || of.tasks.some((t) => t.taskId === endpoint.taskId);
          if (local) expect(targets(network.namespaces[`net-${id}`]!)).toContain(address);
        }
      }
    }),
  );
});

test("a task that is gone from the facts is gone from every namespace", () => {
  fc.assert(
    fc.property(facts, fc.nat(7), (of, pick) => {
      const gone = of.attachments[pick % Math.max(1, of.attachments.length)];
      if (gone === undefined) return;
      const others = <T extends { taskId: string }>(rows: readonly T[]) =>
        rows.filter((r) => r.taskId !== gone.taskId);
      const text = printNodeNetwork(
        plan({
          ...of,
          endpoints: others(of.endpoints),
          attachments: others(of.attachments),
          tasks: others(of.tasks),
        }),
      );
      for (const address of Object.values(gone.addresses))
        expect(text).not.toMatch(new RegExp(`\\b${address}\\b`));
      expect(text).not.toContain(gone.taskId);
    }),
  );
});

test("a draining task keeps its routes and gets nothing new", () => {
  fc.assert(
    fc.property(facts, fc.nat(7), (of, pick) => {
      const draining = of.endpoints[pick % Math.max(1, of.endpoints.length)];
      if (draining === undefined) return;
      const before = plan(of);
      const after = plan({ ...of, endpoints: of.endpoints.filter((e) => e !== draining) });
      for (const [name, ns] of Object.entries(after.namespaces)) {
        expect(ns.routes).toEqual(before.namespaces[name]?.routes);
        if (!name.startsWith("net-")) continue;
        for (const address of Object.values(draining.addresses)) expect(targets(ns)).not.toContain(address);
      }
    }),
  );
});

test("two swarms with equal subnets share a host: no device, table or rule of one is the other's", () => {
  fc.assert(
    fc.property(facts, (of) => {
      const [a, b] = ["aa", "bb"].map((tag) => plan(of, tag).namespaces[HOST]!) as [Namespace, Namespace];
      const names = (ns: Namespace) => [...ns.links.map((l) => l.name), ...ns.tables.map((t) => t.name)];
      expect(names(a).filter((name) => names(b).includes(name))).toEqual([]);
      const words = printNamespace({ ...a, sysctls: {} });
      expect(words).not.toContain("bb-");
    }),
  );
});

test("an address that has a new owner is no longer the lingering task's", () => {
  const two = SCENARIOS.find((s) => s.name === "two-nodes")!.facts;
  const next = { taskId: "web9", nodeId: "node2", addresses: { front: "10.0.1.7", ingress: "10.0.0.7" } };
  const attachments = [...two.attachments.filter((a) => a.taskId !== "web1"), next];
  const endpoints = two.endpoints.filter((e) => e.taskId !== "web1");
  const front = plan({ ...two, attachments, endpoints }).namespaces["net-front"]!;
  expect(front.routes.filter((r) => r.destination === "10.0.1.7/32")).toEqual([
    { destination: "10.0.1.7/32", link: "sh-v4097", via: "10.0.1.3", source: "10.0.1.2", onlink: true },
  ]);
  expect(front.links.map((l) => l.name)).toContain("sh-tweb1");
});

test("bad words are refused by name", () => {
  const [first] = SCENARIOS;
  const { facts: of } = first!;
  expect(() => plan(of, "Bad-Tag")).toThrow('bad tag "Bad-Tag"');
  expect(() => plan({ ...of, self: { ...of.self, gatewaySubnet: "172.18.0.0/28" } })).toThrow(
    "it needs 32 addresses",
  );
});
