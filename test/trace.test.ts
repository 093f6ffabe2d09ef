import { resolve } from "node:path";
import { expect, test } from "vitest";
import { type Balancer, type NetworkFacts, planNetwork } from "../src/dataplane/index.ts";
import { ipvsBalancer } from "../src/dataplane/ipvs-balancer.ts";
import { SCENARIOS, TAG } from "../src/dataplane/scenarios.fake.ts";
import { FakeKernel } from "../src/kernel/kernel.fake.ts";
import { HOST, type NftTable, type ObservedNamespace } from "../src/netstate/index.ts";
import { explain, type KernelState, printTrace, type Trace, type TraceQuestion } from "../src/trace/index.ts";

/** One node's kernel, as its plan has made it. */
interface Node {
  readonly facts: NetworkFacts;
  readonly state: KernelState;
}

const OUTSIDE = "192.0.2.50";

async function nodeOf(facts: NetworkFacts, balancer?: Balancer): Promise<Node> {
  const kernel = new FakeKernel();
  const wanted = planNetwork(facts, { tag: TAG, ...(balancer && { balancer }) });
  expect((await kernel.apply(wanted)).failures).toEqual([]);
  return { facts, state: await kernel.observe(wanted) };
}

function factsOf(name: string): NetworkFacts {
  const scenario = SCENARIOS.find((one) => one.name === name);
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  return scenario.facts;
}

/** The same cluster as another of its nodes sees it. */
function asNode(facts: NetworkFacts, nodeId: string): NetworkFacts {
  const node = facts.nodes.find(({ id }) => id === nodeId);
  if (node === undefined) throw new Error(`no node ${nodeId}`);
  return {
    ...facts,
    self: { ...facts.self, nodeId, dataPathAddress: node.dataPathAddress },
    tasks: facts.endpoints
      .filter((row) => row.nodeId === nodeId)
      .map(({ name: _, nodeId: _n, ...row }, i) => ({
        ...{ ...row, gatewayAddress: `172.18.0.${16 + i}`, hostPorts: [] },
      })),
  };
}

function ask({ facts, state }: Node, question: TraceQuestion): Trace {
  return explain(state, { facts, own: [facts.self.dataPathAddress], listening: new Set() }, question);
}

const from = (client: string, destination: string): TraceQuestion => ({ client, destination });

/** All that can be asked of a scenario's node and should work: VIPs by its tasks, published ports by everybody. */
function questionsOf(facts: NetworkFacts): TraceQuestion[] {
  const callers = facts.tasks.flatMap((task) =>
    facts.services.flatMap((service) =>
      Object.entries({ ...service.vips, ...six(service.vips6) })
        .filter(
          ([network]) => network !== "ingress" && task.addresses[network.replace("6 ", "")] !== undefined,
        )
        .map(([, vip]) => from(task.taskId, vip.includes(":") ? `[${vip}]:80` : `${vip}:80`)),
    ),
  );
  const ports = [...facts.services.flatMap(({ ports }) => ports), ...facts.tasks.flatMap((t) => t.hostPorts)];
  const bound = facts.tasks.flatMap(({ hostPorts }) =>
    hostPorts.flatMap(({ hostAddress, published: port, protocol }) =>
      hostAddress === undefined ? [] : [from("host", `${hostAddress}:${port}/${protocol}`)],
    ),
  );
  const open = ports.filter((port) => !("hostAddress" in port));
  const published = open.flatMap(({ published: port, protocol }) => [
    from(OUTSIDE, `${facts.self.dataPathAddress}:${port}/${protocol}`),
    from("host", `:${port}/${protocol}`),
    from("host", `${facts.self.dataPathAddress}:${port}/${protocol}`),
  ]);
  return [...callers, ...published, ...bound];
}

const six = (vips6: Readonly<Record<string, string>> = {}) =>
  Object.fromEntries(Object.entries(vips6).map(([network, vip]) => [`6 ${network}`, vip]));

const BALANCED = SCENARIOS.flatMap(({ name, facts }) => [
  { name: `${name}, nftables`, facts, balancer: undefined },
  { name: `${name}, IPVS`, facts, balancer: ipvsBalancer },
]);

test.each(BALANCED)(
  "$name: every backend of every VIP and port is reached, on whatever node",
  async ({ facts, balancer }) => {
    const nodes = new Map<string, Node>();
    for (const id of new Set([facts.self.nodeId, ...facts.nodes.map((node) => node.id)]))
      nodes.set(id, await nodeOf(id === facts.self.nodeId ? facts : asNode(facts, id), balancer));
    const here = nodes.get(facts.self.nodeId);
    const questions = questionsOf(facts);
    for (const question of questions) {
      const { paths } = ask(here as Node, question);
      const delivered = paths.flatMap(({ verdict }) => {
        if (verdict.kind !== "crosses") return [verdict];
        return ask(nodes.get(verdict.node) as Node, verdict.ask).paths.map((path) => path.verdict);
      });
      expect(delivered.length).toBeGreaterThan(0);
      expect(new Set(delivered.map(({ kind }) => kind)), JSON.stringify({ question, delivered })).toEqual(
        new Set(["delivered"]),
      );
      const tasks = delivered.map((verdict) => (verdict.kind === "delivered" ? verdict.to : ""));
      expect(new Set(tasks).size).toBe(tasks.length);
      expect(tasks.every((task) => task.startsWith("task "))).toBe(true);
    }
  },
);

/** Everything that can be taken out of a namespace, one thing at a time, in words. */
function* damagesTo(namespace: ObservedNamespace): Generator<[what: string, after: ObservedNamespace]> {
  const lists = ["links", "addresses", "routes", "rules", "neighbours", "fdb", "tables"] as const;
  for (const list of lists) {
    for (const [i, thing] of namespace[list].entries()) {
      const { tables: _, ...words } = thing as { tables?: unknown };
      yield [
        `${list}: ${"chains" in thing ? (thing as NftTable).name : JSON.stringify(words)}`,
        without(namespace, list, i),
      ];
    }
  }
  for (const { name } of namespace.links) yield [`down: ${name}`, { ...namespace, down: [name] }];
  for (const family of ["ip", "ip6"] as const)
    yield [`unruled: ${family}`, { ...namespace, unruled: [family] }];
  for (const key of Object.keys(namespace.sysctls))
    if (/forward|proxy_arp/.test(key))
      yield [`sysctl: ${key}`, { ...namespace, sysctls: { ...namespace.sysctls, [key]: "0" } }];
  for (const table of namespace.tables) {
    for (const [what, after] of damagesToTable(table))
      yield [
        `${table.name}: ${what}`,
        { ...namespace, tables: namespace.tables.map((one) => (one === table ? after : one)) },
      ];
  }
}

function without(
  namespace: ObservedNamespace,
  list: "links" | "tables" | string,
  i: number,
): ObservedNamespace {
  const rows = namespace[list as "links"];
  const after = { ...namespace, [list]: rows.filter((_, at) => at !== i) };
  if (list !== "links") return after;
  const name = rows[i]?.name;
  const stays = (row: { readonly link: string }) => row.link !== name;
  return {
    ...after,
    addresses: namespace.addresses.filter(stays),
    routes: namespace.routes.filter(stays),
    neighbours: namespace.neighbours.filter(stays),
    fdb: namespace.fdb.filter(stays),
  };
}

function* damagesToTable(table: NftTable): Generator<[string, NftTable]> {
  for (const set of table.sets)
    for (const element of set.elements) {
      const elements = set.elements.filter((one) => one !== element);
      yield [
        `${set.name} ${element}`,
        { ...table, sets: table.sets.map((s) => (s === set ? { ...s, elements } : s)) },
      ];
    }
  for (const map of table.maps)
    for (const key of Object.keys(map.elements)) {
      const { [key]: _, ...elements } = map.elements;
      yield [
        `${map.name} ${key}`,
        { ...table, maps: table.maps.map((m) => (m === map ? { ...m, elements } : m)) },
      ];
    }
  for (const chain of table.chains)
    for (const [i, rule] of chain.rules.entries()) {
      const rules = chain.rules.filter((_, at) => at !== i);
      yield [
        `${chain.name} ${rule}`,
        { ...table, chains: table.chains.map((c) => (c === chain ? { ...c, rules } : c)) },
      ];
    }
}

/** Of a trace what counts: which tasks are reached, in words. */
const endsOf = ({ paths }: Trace): string[] => paths.map(({ verdict }) => JSON.stringify(verdict));
const isDrop = ({ paths }: Trace): boolean =>
  paths.some(({ verdict }) => verdict.kind === "dropped" && verdict.because !== "" && verdict.at !== "");

test.each(SCENARIOS)(
  "$name: whatever is taken out of the kernel, the trace says the same or names a drop",
  async ({ facts }) => {
    const node = await nodeOf(facts);
    const questions = questionsOf(facts);
    const before = new Map(questions.map((question) => [question, endsOf(ask(node, question))]));
    let drops = 0;
    for (const [name, namespace] of Object.entries(node.state.namespaces)) {
      const { [name]: _, ...others } = node.state.namespaces;
      const after: [string, KernelState][] = [...damagesTo(namespace)].map(([what, damaged]) => [
        what,
        { namespaces: { ...others, [name]: damaged } },
      ]);
      // The host's own loopback is not ours to look at.
      if (name !== HOST) {
        after.push(["namespace", { namespaces: others }]);
        after.push(["down: lo", { namespaces: { ...others, [name]: { ...namespace, down: ["lo"] } } }]);
      }
      for (const [what, state] of after) {
        for (const question of questions) {
          const trace = ask({ facts, state }, question);
          const same = endsOf(trace).every((end, i) => end === before.get(question)?.[i]);
          if (!same) drops++;
          expect(same || isDrop(trace), `${name}: ${what}\n${printTrace(trace)}`).toBe(true);
        }
      }
    }
    expect(drops > 0).toBe(questions.length > 0);
  },
);

/** What a person would do to a kernel, and ask. */
type Change = (state: KernelState) => KernelState;
const inside =
  (name: string, change: (namespace: ObservedNamespace) => ObservedNamespace): Change =>
  ({ namespaces }) => ({
    namespaces: { ...namespaces, [name]: change(namespaces[name] as ObservedNamespace) },
  });
const gone =
  (name: string): Change =>
  ({ namespaces }) => ({
    namespaces: Object.fromEntries(Object.entries(namespaces).filter(([one]) => one !== name)),
  });

const DOCKERS: NftTable = {
  ...{ family: "ip" as const, name: "filter", sets: [], maps: [] },
  chains: [
    {
      name: "FORWARD",
      base: { type: "filter", hook: "forward", priority: "filter", policy: "drop" },
      rules: [
        'oifname "docker0" ct state related,established counter packets 0 bytes 0 accept',
        "xt target NFLOG",
      ],
    },
  ],
};

type Case = readonly [
  title: string,
  scenario: string,
  client: string,
  destination: string,
  change?: Change | undefined,
  more?: { readonly by?: string },
];

const CASES: readonly Case[] = [
  ["A published port, from outside", "two-nodes", OUTSIDE, "192.168.7.1:8080"],
  [
    "The rest of it, on the other node",
    "two-nodes",
    OUTSIDE,
    "10.0.0.7:80/tcp",
    undefined,
    { by: "192.168.7.2" },
  ],
  ["A service by its name", "two-nodes", "web.1", "db:5432"],
  ["A task that draws itself", "internal", "db.1", "db"],
  ["A program of the node, by loopback", "one-node", "host", ":8080"],
  ["A port in host mode", "host-port", OUTSIDE, "192.168.7.1:443"],
  ["Datagrams", "udp", OUTSIDE, "192.168.7.1:5353/udp"],
  ["The way out", "one-node", "web.1", "192.0.2.9:443"],
  ["IPv6", "ipv6", "web.1", "[fd00:1::2]:80"],
  ["Dropped: a port that nobody published", "two-nodes", OUTSIDE, "192.168.7.1:9999"],
  [
    "Dropped: the host's rules were flushed",
    "two-nodes",
    OUTSIDE,
    "192.168.7.1:8080",
    inside(HOST, (host) => ({ ...host, tables: [] })),
  ],
  [
    "Dropped: no backend",
    "two-nodes",
    "web.1",
    "db",
    inside("net-front", (front) => ({
      ...front,
      tables: front.tables.map((table) => ({
        ...table,
        chains: table.chains.map((chain) => (chain.name === "vip-db" ? { ...chain, rules: [] } : chain)),
      })),
    })),
  ],
  [
    "Dropped: no route to the backend",
    "two-nodes",
    "web.1",
    "db",
    inside("net-front", (front) => ({
      ...front,
      routes: front.routes.filter(({ destination }) => destination !== "10.0.1.9/32"),
    })),
  ],
  [
    "Dropped: no forwarding entry",
    "two-nodes",
    "web.1",
    "db",
    inside("net-front", (front) => ({ ...front, fdb: [] })),
  ],
  [
    "Dropped: no neighbour",
    "two-nodes",
    "web.1",
    "db",
    inside("net-front", (front) => ({
      ...front,
      neighbours: front.neighbours.filter(({ address }) => address !== "10.0.1.3"),
    })),
  ],
  [
    "Dropped: the tunnel is down",
    "two-nodes",
    "web.1",
    "db",
    inside("net-front", (front) => ({ ...front, down: ["sh-v4097"] })),
  ],
  [
    "Dropped: a node that is no member",
    "two-nodes",
    OUTSIDE,
    "10.0.0.7:80/tcp",
    inside(HOST, (host) => ({
      ...host,
      tables: host.tables.map((table) => ({
        ...table,
        sets: table.sets.map((set) => (set.name === "peers" ? { ...set, elements: [] } : set)),
      })),
    })),
    { by: "192.168.7.2" },
  ],
  ["Dropped: the sandbox is gone", "two-nodes", "web.1", "db", gone("net-front")],
  ["Dropped: the task's namespace is gone", "one-node", OUTSIDE, "192.168.7.1:8080", gone("task-web1")],
  ["Dropped: no way out of an internal network", "internal", "db.1", "192.0.2.9:443"],
  ["Dropped: they share no network", "two-networks", "web.1", "db"],
  ["Dropped: an address of another network", "two-networks", "web.1", "10.0.2.8:80"],
  [
    "Dropped: the answer would leave by another way",
    "one-node",
    OUTSIDE,
    "192.168.7.1:8080",
    inside("task-web1", (task) => ({
      ...task,
      rules: task.rules.filter(({ from: source }) => source === undefined),
    })),
  ],
  [
    "Dropped: another's firewall",
    "one-node",
    OUTSIDE,
    "192.168.7.1:8080",
    inside(HOST, (host) => ({ ...host, tables: [...host.tables, DOCKERS] })),
  ],
];

test("the page of examples", async () => {
  const parts: string[] = [];
  for (const [title, scenario, client, destination, change = (state: KernelState) => state, more] of CASES) {
    const { facts, state } = await nodeOf(factsOf(scenario));
    const question = { client, destination, ...(more?.by !== undefined && { by: more.by }) };
    const trace = ask({ facts, state: change(state) }, question);
    expect(isDrop(trace), title).toBe(title.startsWith("Dropped"));
    const by = more?.by === undefined ? "" : `--by ${more.by} `;
    parts.push(
      `## ${title}\n\n    $ shoal trace ${by}${client} ${destination}\n${indented(printTrace(trace))}`,
    );
  }
  const head = `# Traces by example

What \`shoal trace\` says of the small swarms of [rulesets](rulesets/README.md), as they are and with something taken out of the
kernel. A test writes this page and compares it (\`npx vitest run --project unit test/trace -u\`). [trace.md](trace.md) says what it is.`;
  const page = resolve(import.meta.dirname, "../docs/trace-examples.md");
  await expect(`${head}\n\n${parts.join("\n")}`).toMatchFileSnapshot(page);
});

const indented = (text: string): string => text.replace(/^(?=.)/gm, "    ");

test.each([
  ["ghost", "db", "no task or container ghost on this node's networks"],
  ["db.1", "web", "cannot trace from db.1: it runs on node node2 (192.168.7.2): ask there"],
  ["web.1", "ghost", "no service, task or address ghost on this node's networks"],
  [OUTSIDE, "ghost", "no service ghost on this node's networks"],
])("%s to %s: a sentence", async (client, destination, sentence) => {
  const node = await nodeOf(factsOf("two-nodes"));
  expect(() => ask(node, { client, destination })).toThrow(sentence);
});
