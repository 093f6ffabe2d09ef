import type {
  BridgeFact,
  NetworkFact,
  NetworkFacts,
  NodeFact,
  PortFact,
  ServiceFact,
  TaskFact,
} from "./facts.ts";

/** A swarm small enough to read, as one of its nodes sees it: the pages under docs/rulesets are made of these. */
export interface Scenario {
  /** File name of the page. */
  readonly name: string;
  readonly title: string;
  /** What to look at, in Markdown. */
  readonly prose: string;
  readonly facts: NetworkFacts;
  /** The kernel has them. */
  readonly flowTables?: true;
}

export const TAG = "sh";

/** Two networks of a node in no cluster, and three containers made by hand. */
export const BY_HAND: NetworkFacts = {
  self: { nodeId: "", dataPathAddress: "", gatewaySubnet: "172.18.0.0/16", dataPathPort: 0, ipv6: true },
  ...{ networks: [], nodes: [], services: [], endpoints: [], attachments: [] },
  bridges: [
    bridge("bridge", 17, { named: false }),
    bridge("app", 19, { mtu: 1400, v6: { subnet: "fd00:19::/64", gateway: "fd00:19::1" } }),
    bridge("vault", 20, { internal: true }),
  ],
  tasks: [
    byHand(
      "web",
      16,
      ["bridge", "app"],
      [
        { protocol: "tcp", published: 8080, target: 80 },
        { protocol: "tcp", published: 8443, target: 443, hostAddress: "127.0.0.1" },
      ],
    ),
    byHand("api", 17, ["app", "vault"], []),
    byHand("db", 18, ["vault"], []),
  ],
};

function bridge(id: string, second: number, rest: Partial<BridgeFact> = {}): BridgeFact {
  const addresses = { subnet: `172.${second}.0.0/16`, gateway: `172.${second}.0.1` };
  return { id, name: id, ...addresses, internal: false, named: true, ...rest };
}

function byHand(
  taskId: string,
  number: number,
  on: readonly string[],
  hostPorts: readonly PortFact[],
): TaskFact {
  const seconds: Readonly<Record<string, number>> = { bridge: 17, app: 19, vault: 20 };
  const places = on.map((id) => {
    const address6 = id === "app" ? { address6: `fd00:19::${number}` } : {};
    return [id, { address: `172.${seconds[id]}.0.${number}`, ...address6, names: [taskId] }] as const;
  });
  return {
    ...{ taskId, serviceId: "", addresses: {}, gatewayAddress: `172.18.0.${number}`, hostPorts },
    devices: Object.fromEntries(on.map((id, i) => [id, `eth${i}`])),
    bridges: Object.fromEntries(places),
  };
}

function network(id: string, index: number, rest: Partial<NetworkFact> = {}): NetworkFact {
  return {
    id,
    name: id,
    vni: 4096 + index,
    subnet: `10.0.${index}.0/24`,
    gateway: `10.0.${index}.1`,
    mtu: 1450,
    ingress: id === "ingress",
    internal: false,
    ...rest,
  };
}

const ingress = network("ingress", 0);
const front = network("front", 1);
const back = network("back", 2);
const wide = network("wide", 3, {
  ...{ subnet: "10.1.0.0/29", gateway: "10.1.0.1" },
  more: [{ subnet: "10.2.0.0/29", gateway: "10.2.0.1" }],
});

/** Node N has data-path address 192.168.7.N, and .N+1 on every network. */
function node(n: number, ...networks: readonly NetworkFact[]): NodeFact {
  const addresses = networks.map(({ id, subnet }) => [id, subnet.replace(".0/24", `.${n + 1}`)]);
  return { id: `node${n}`, dataPathAddress: `192.168.7.${n}`, addresses: Object.fromEntries(addresses) };
}

function service(id: string, rest: Partial<ServiceFact>): ServiceFact {
  return { id, name: id, vips: {}, aliases: {}, ports: [], ...rest };
}

interface Running {
  readonly task: string;
  readonly on: number;
  readonly addresses: Readonly<Record<string, string>>;
  readonly hostPorts?: readonly PortFact[];
}

const self = {
  nodeId: "node1",
  dataPathAddress: "192.168.7.1",
  gatewaySubnet: "172.18.0.0/16",
  dataPathPort: 4789,
};

/** Facts of node 1 in which every task runs. */
function factsOf(
  networks: readonly NetworkFact[],
  nodes: readonly NodeFact[],
  services: readonly ServiceFact[],
  running: readonly Running[],
): NetworkFacts {
  const rows = running.map(({ task, on, addresses }) => ({ taskId: task, nodeId: `node${on}`, addresses }));
  const serviceOf = (task: string) => task.replace(/\d+$/, "");
  return {
    self,
    networks,
    nodes,
    services,
    attachments: rows,
    endpoints: rows.map((row) => ({
      ...row,
      serviceId: serviceOf(row.taskId),
      name: `${row.taskId.replace(/(\d+)$/, ".$1")}.id`,
    })),
    tasks: running
      .filter(({ on }) => on === 1)
      .map(
        ({ task, addresses, hostPorts = [] }, i): TaskFact => ({
          taskId: task,
          serviceId: serviceOf(task),
          addresses,
          gatewayAddress: `172.18.0.${16 + i}`,
          hostPorts,
        }),
      ),
  };
}

/** The same on nodes with IPv6, where tasks have these addresses too. */
function withIpv6(
  facts: NetworkFacts,
  addresses: Readonly<Record<string, Readonly<Record<string, string>>>>,
): NetworkFacts {
  const also = <T extends { readonly taskId: string }>(row: T) => {
    const addresses6 = addresses[row.taskId];
    return addresses6 === undefined ? row : { ...row, addresses6 };
  };
  return {
    ...facts,
    self: { ...facts.self, ipv6: true },
    endpoints: facts.endpoints.map(also),
    attachments: facts.attachments.map(also),
    tasks: facts.tasks.map(also),
  };
}

const http: PortFact = { protocol: "tcp", published: 8080, target: 80 };

export const SCENARIOS: readonly Scenario[] = [
  {
    name: "one-node",
    title: "One node, one published service",
    prose: `\`web\` has one task and publishes 8080. A connection to 8080 at any address of the host is sent up the
\`sh-mesh\` leg by chain \`prerouting\` (or \`output\`, for the host's own clients) of \`sh-host\`; in the ingress sandbox chain
\`prerouting\` of \`sh-lb\` draws the task. Nobody else is in the swarm, so \`peers\` is empty: every packet to the tunnel port
is dropped.`,
    facts: factsOf(
      [ingress],
      [node(1, ingress)],
      [service("web", { vips: { ingress: "10.0.0.5" }, ports: [http] })],
      [{ task: "web1", on: 1, addresses: { ingress: "10.0.0.6" } }],
    ),
  },
  {
    name: "two-nodes",
    title: "Two nodes, two services on one overlay network",
    prose: `\`web\` runs on both nodes and publishes 8080, \`db\` runs on node 2. This is node 1. Every remote task is one
route by way of its node's address; every node is one neighbour and one FDB entry, however many tasks it has. In the ingress
sandbox a connection that came in at node 2 bears node 2's mark, and its answers leave by the routing table of that mark: so
nobody has to hide the client's address. \`self\` is the one exception: a task that draws itself through its own VIP.`,
    facts: factsOf(
      [ingress, front],
      [node(1, ingress, front), node(2, ingress, front)],
      [
        service("web", { vips: { ingress: "10.0.0.5", front: "10.0.1.5" }, ports: [http] }),
        service("db", { vips: { front: "10.0.1.6" } }),
      ],
      [
        { task: "web1", on: 1, addresses: { ingress: "10.0.0.7", front: "10.0.1.7" } },
        { task: "web2", on: 2, addresses: { ingress: "10.0.0.8", front: "10.0.1.8" } },
        { task: "db1", on: 2, addresses: { front: "10.0.1.9" } },
      ],
    ),
  },
  {
    name: "internal",
    title: "An internal network",
    prose: `The only network of \`db1\` is internal: the task has a gateway leg, because that is the way to the resolver,
but no default route; its gateway address is in the set \`isolated\`, which may ask names and nothing else.`,
    facts: factsOf(
      [ingress, { ...back, internal: true }],
      [node(1, ingress, back)],
      [service("db", { vips: { back: "10.0.2.5" } })],
      [{ task: "db1", on: 1, addresses: { back: "10.0.2.6" } }],
    ),
  },
  {
    name: "dnsrr",
    title: "A service without VIP (dnsrr)",
    prose: `\`web\` has endpoint mode dnsrr: its name stands for its tasks' own addresses, and the sandbox has nothing to
balance. Routes are the same as ever.`,
    facts: factsOf(
      [ingress, front],
      [node(1, ingress, front), node(2, ingress, front)],
      [service("web", {})],
      [
        { task: "web1", on: 1, addresses: { front: "10.0.1.7" } },
        { task: "web2", on: 2, addresses: { front: "10.0.1.8" } },
      ],
    ),
  },
  {
    name: "host-port",
    title: "A port published in host mode",
    prose: `\`edge1\` publishes 443 at its own node only. The map \`host-ports\` sends it straight to the task's gateway leg:
no mesh, no balancer, the client's address untouched.`,
    facts: factsOf(
      [ingress, front],
      [node(1, ingress, front)],
      [service("edge", { vips: { front: "10.0.1.5" } })],
      [
        {
          task: "edge1",
          on: 1,
          addresses: { front: "10.0.1.6" },
          hostPorts: [{ protocol: "tcp", published: 443, target: 8443 }],
        },
      ],
    ),
  },
  {
    name: "udp",
    title: "A published UDP port",
    prose: `\`dns1\` publishes UDP 5353 for its port 53. A server that listens on every address would answer from the address
of its default route. So in the task's namespace datagrams from the ingress leg are translated to the gateway leg's address
(table \`sh-udp\`); the answers match the connection, get its mark, and leave by the ingress leg, as from the address that was
asked.`,
    facts: factsOf(
      [ingress],
      [node(1, ingress)],
      [
        service("dns", {
          vips: { ingress: "10.0.0.5" },
          ports: [{ protocol: "udp", published: 5353, target: 53 }],
        }),
      ],
      [{ task: "dns1", on: 1, addresses: { ingress: "10.0.0.6" } }],
    ),
  },
  {
    name: "two-networks",
    title: "A task on two networks",
    prose: `\`worker1\` is on \`front\` and \`back\`, so it reaches both sides; \`web1\` is on \`front\` only and has no route,
no neighbour and no name of \`back\`. Each network is a sandbox of its own: their subnets could even be the same.`,
    facts: factsOf(
      [ingress, front, back],
      [node(1, ingress, front, back), node(2, ingress, back)],
      [
        service("web", { vips: { front: "10.0.1.5" } }),
        service("worker", { vips: { front: "10.0.1.6", back: "10.0.2.5" } }),
        service("db", { vips: { back: "10.0.2.6" } }),
      ],
      [
        { task: "web1", on: 1, addresses: { front: "10.0.1.7" } },
        { task: "worker1", on: 1, addresses: { front: "10.0.1.8", back: "10.0.2.7" } },
        { task: "db1", on: 2, addresses: { back: "10.0.2.8" } },
      ],
    ),
  },
  {
    name: "ipv6",
    title: "IPv6 beside IPv4",
    prose: `\`web\` runs on both nodes, publishes 8080 and is on \`front\`, which has IPv6 (\`fd00:1::/64\`). Everything of IPv4 is as
in [two nodes](two-nodes.md); what comes on top is in tables of family \`ip6\` and in routes, rules and neighbours with colons.
Addresses that begin with \`fd53:686f:616c:1:\` are those of the gateway subnet, \`fd53:686f:616c:2:\` those of the ingress network,
each with the IPv4 address in its last 32 bits. Node 2 is \`fe80::\` and its IPv4 address on the network: one neighbour per node, one
route per task, and nothing that is asked or learned.`,
    facts: withIpv6(
      factsOf(
        [ingress, { ...front, v6: { subnet: "fd00:1::/64", gateway: "fd00:1::1" } }],
        [node(1, ingress, front), node(2, ingress, front)],
        [
          service("web", {
            vips: { ingress: "10.0.0.5", front: "10.0.1.5" },
            vips6: { front: "fd00:1::2" },
            ports: [http],
          }),
        ],
        [
          { task: "web1", on: 1, addresses: { ingress: "10.0.0.7", front: "10.0.1.7" } },
          { task: "web2", on: 2, addresses: { ingress: "10.0.0.8", front: "10.0.1.8" } },
        ],
      ),
      { web1: { front: "fd00:1::3" }, web2: { front: "fd00:1::4" } },
    ),
  },
  {
    name: "several-subnets",
    title: "A network of several subnets",
    prose: `\`wide\` has two subnets, 10.1.0.0/29 and 10.2.0.0/29. \`web\` outgrew the first: its VIP and \`web1\` are there, \`web2\` and
node 2's own address are in the second. It is one network all the same, with one tunnel: the sandbox routes from address to address and
has both gateways. What the subnets add is one route in each task, to the subnet that it is not in, by the gateway of its own.`,
    facts: factsOf(
      [ingress, wide],
      [
        { ...node(1, ingress), addresses: { ingress: "10.0.0.2", wide: "10.1.0.6" } },
        { ...node(2, ingress), addresses: { ingress: "10.0.0.3", wide: "10.2.0.3" } },
      ],
      [service("web", { vips: { wide: "10.1.0.2" } })],
      [
        { task: "web1", on: 1, addresses: { wide: "10.1.0.3" } },
        { task: "web2", on: 2, addresses: { wide: "10.2.0.2" } },
        { task: "web3", on: 1, addresses: { wide: "10.2.0.4" } },
      ],
    ),
  },
  {
    name: "flow-tables",
    title: "On a kernel with flow tables",
    prose: `\`web\` has one task and publishes 8080; a second node may take its connections, too. Where the kernel has flow tables each
sandbox gets the table \`sh-flow\`: what is established there goes from device to device past all other rules. The connection's mark
is set before, because the way of its answers is looked up by it.`,
    facts: factsOf(
      [ingress],
      [node(1, ingress), node(2, ingress)],
      [service("web", { vips: { ingress: "10.0.0.5" }, ports: [http] })],
      [{ task: "web1", on: 1, addresses: { ingress: "10.0.0.6" } }],
    ),
    flowTables: true,
  },
  {
    name: "by-hand",
    title: "Containers made by hand",
    prose: `A node in no cluster. \`web\` is on the node's first network, \`bridge\`, and on \`app\`, which has IPv6 and an MTU of
its own; it publishes 8080 at every address of the host, and 8443 at 127.0.0.1 alone. \`api\` is on \`app\` and \`vault\`, \`db\` on
\`vault\` only, which is internal: it has no default route and its gateway address is in the set \`isolated\`. Each network is a bridge in
the host with a port for every container on it; table \`sh-bridge\` lets nothing pass between a bridge and anything else. The way out,
the resolver and published ports are the gateway leg's, \`gw0\`, as for tasks.`,
    facts: BY_HAND,
  },
];
