import { EMPTY_NAMESPACE, type Namespace, type NftChain, type NftTable } from "../netstate/index.ts";
import { macOf } from "./addresses.ts";
import { embed, embedSubnet, linkSysctls6 } from "./addresses6.ts";
import { hostPorts, publishedPorts } from "./host.ts";
import { LOOPBACK } from "./host-chains.ts";
import type { HostPlan } from "./host-plan.ts";
import type { Names } from "./names.ts";

/** A task with an IPv6 way out. */
interface Guest {
  readonly leg: string;
  readonly address: string;
  readonly mac: string;
}

/** The host's side for IPv6: empty as long as no port is published and no task has IPv6, for a host that forwards is another host. */
export function hostPart6(names: Names, plan: HostPlan): Namespace {
  const guests = guestsOf(names, plan);
  const mesh = meshPorts(plan).length === 0 ? [] : [names.meshLeg];
  if (guests.length + mesh.length === 0) return EMPTY_NAMESPACE;
  const at = (address: string) => embed("gateway", address);
  const bridge = at(plan.gateway.bridge);
  return {
    ...EMPTY_NAMESPACE,
    addresses: [
      { link: names.bridge, address: `${bridge}/128` },
      ...mesh.map((link) => ({ link, address: `${at(plan.gateway.meshHost)}/128` })),
    ],
    routes: [
      ...mesh.map((link) => ({ destination: `${at(plan.gateway.meshSandbox)}/128`, link })),
      ...guests.map(({ leg, address }) => ({ destination: `${address}/128`, link: leg, source: bridge })),
    ],
    neighbours: [
      ...mesh.map((link) => ({
        link,
        address: at(plan.gateway.meshSandbox),
        mac: macOf(plan.gateway.meshSandbox),
      })),
      ...guests.map(({ leg, address, mac }) => ({ link: leg, address, mac })),
    ],
    sysctls: {
      "net.ipv6.conf.all.forwarding": "1",
      ...linkSysctls6([names.bridge, ...mesh, ...guests.map(({ leg }) => leg)]),
    },
    tables: [hostTable6(names, plan)],
  };
}

function guestsOf(names: Names, { tasks }: HostPlan): Guest[] {
  return tasks.flatMap(({ task, gatewayAddress6: address }) =>
    address === undefined
      ? []
      : [{ leg: names.gatewayLeg(task.taskId), address, mac: macOf(task.gatewayAddress) }],
  );
}

function meshPorts(plan: HostPlan): readonly string[] {
  return plan.ingress?.six === undefined ? [] : publishedPorts(plan);
}

function hostTable6(names: Names, plan: HostPlan): NftTable {
  const publishing = plan.tasks.flatMap(({ task, gatewayAddress6: address }) =>
    address === undefined || task.hostPorts.length === 0 ? [] : [{ task, address }],
  );
  return {
    family: "ip6",
    name: names.table("host"),
    sets: [
      {
        name: "self",
        type: "ipv6_addr . ipv6_addr",
        elements: publishing.map(({ address }) => `${address} . ${address}`),
      },
      { name: "published", type: "inet_proto . inet_service", elements: meshPorts(plan) },
    ],
    maps: [
      {
        name: "host-ports",
        key: "inet_proto . inet_service",
        value: "ipv6_addr . inet_service",
        elements: Object.fromEntries(publishing.flatMap(({ task, address }) => hostPorts(task, address))),
      },
    ],
    chains: hostChains6(names, plan),
  };
}

/** The host's addresses at which ports are published: the kernel takes packets of these others nowhere else. */
const DOOR = "ip6 daddr != { ::1, fe80::/10 } fib daddr type local";

/** As `hostChains`, without what IPv6 needs no rule for: its loopback never leaves the host, and tunnels are IPv4. */
function hostChains6(names: Names, plan: HostPlan): NftChain[] {
  const at = (address: string) => embed("gateway", address);
  const { meshLeg, anyGatewayLeg: anyLeg, bridge } = names;
  const subnet = embedSubnet("gateway", plan.facts.self.gatewaySubnet);
  const publish = [
    `${DOOR} meta l4proto . th dport @published dnat to ${at(plan.gateway.meshSandbox)}`,
    `${DOOR} dnat ip6 to meta l4proto . th dport map @host-ports`,
  ];
  return [
    {
      name: "guard",
      base: { type: "filter", hook: "prerouting", priority: "raw", policy: "accept" },
      rules: [LOOPBACK, `iifname ${anyLeg} fib saddr . iif oif 0 drop`],
    },
    {
      name: "input",
      base: { type: "filter", hook: "input", priority: "filter", policy: "accept" },
      rules: [
        LOOPBACK,
        `iifname "${meshLeg}" ct state established,related accept`,
        `iifname "${meshLeg}" drop`,
      ],
    },
    {
      name: "forward",
      base: { type: "filter", hook: "forward", priority: "filter", policy: "accept" },
      rules: [
        "ct state established,related accept",
        `iifname "${meshLeg}" drop`,
        `oifname "${meshLeg}" ct status dnat accept`,
        `oifname "${meshLeg}" drop`,
        `oifname ${anyLeg} ct status dnat accept`,
        `oifname ${anyLeg} drop`,
      ],
    },
    {
      name: "prerouting",
      base: { type: "nat", hook: "prerouting", priority: "dstnat", policy: "accept" },
      rules: publish,
    },
    {
      name: "output",
      base: { type: "nat", hook: "output", priority: "-100", policy: "accept" },
      rules: publish,
    },
    {
      name: "postrouting",
      base: { type: "nat", hook: "postrouting", priority: "srcnat", policy: "accept" },
      rules: [
        `ip6 saddr ${subnet} oifname "${meshLeg}" snat to ${at(plan.gateway.meshHost)}`,
        `ip6 saddr . ip6 daddr @self snat to ${at(plan.gateway.bridge)}`,
        `ip6 saddr ${subnet} oifname != { "lo", "${bridge}" } oifname != ${anyLeg} masquerade`,
      ],
    },
  ];
}
