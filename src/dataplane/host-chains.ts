import { subnetsOf } from "../lib/index.ts";
import type { NftChain } from "../netstate/index.ts";
import { tunnelPorts } from "./encryption.ts";
import type { HostPlan } from "./host-plan.ts";
import type { Names } from "./names.ts";
import { DNS_ADDRESS } from "./task-sandbox.ts";

/**
 * The chains of our table in the host's namespace. They speak of our devices, ports and subnet, nothing else. All that the host gets and
 * forwards passes them, so what is not ours is let go after as few looks as may be: names of devices are what costs most.
 */
export function hostChains(names: Names, plan: HostPlan): NftChain[] {
  return [
    ...guard(names),
    ...input(names, plan),
    ...forward(names, plan),
    prerouting(names, plan),
    output(plan),
    postrouting(names, plan),
  ];
}

/**
 * No task sends to the host's loopback (CVE-2020-8558), nor in the name of an address that is not its own. At 127.0.0.11 tasks ask
 * names: what chain "prerouting" has not translated by then, chain "input" stops.
 */
function guard(names: Names): NftChain[] {
  return [
    {
      name: "guard",
      base: { type: "filter", hook: "prerouting", priority: "raw", policy: "accept" },
      rules: [
        LOOPBACK,
        `ip daddr 127.0.0.0/8 iifname "${names.meshLeg}" drop`,
        `iifname ${names.anyGatewayLeg} jump from-task`,
      ],
    },
    {
      name: "from-task",
      rules: [
        "fib saddr . iif oif 0 drop",
        ...questions((protocol) => `${protocol} dport 53 accept`),
        "ip daddr 127.0.0.0/8 drop",
      ],
    },
  ];
}

/** What the host says to itself comes by the one device that has the same number everywhere: that is looked at fastest. */
export const LOOPBACK = 'iif "lo" accept';

/** A rule each for what tasks ask names by. */
const questions = (rule: (protocol: string) => string): string[] =>
  ["udp", "tcp"].map((protocol) => `ip daddr ${DNS_ADDRESS} ${rule(protocol)}`);

/** The tunnel port is for members. Isolated tasks may ask names, and nothing else of the host. */
function input(names: Names, { facts, gateway, resolverPort }: HostPlan): NftChain[] {
  const ask = (protocol: string) =>
    `ip saddr @isolated ip daddr ${gateway.bridge} ${protocol} dport ${resolverPort} accept`;
  const hasTunnels = isMember(facts);
  return [
    {
      name: "input",
      base: { type: "filter", hook: "input", priority: "filter", policy: "accept" },
      rules: [
        LOOPBACK,
        `iifname "${names.meshLeg}" goto input-mesh`,
        ...(hasTunnels ? [`udp dport ${tunnelPorts(facts)} goto input-tunnel`] : []),
        `iifname ${names.anyGatewayLeg} jump input-task`,
      ],
    },
    { name: "input-mesh", rules: ["ct state established,related accept", "drop"] },
    ...(hasTunnels ? [{ name: "input-tunnel", rules: ["ip saddr != @peers drop"] }] : []),
    {
      name: "input-task",
      rules: [
        ask("udp"),
        ask("tcp"),
        "ip saddr @isolated drop",
        // Only that one came past "guard"; what is for the rest of loopback by now are answers to clients there.
        `ip daddr ${DNS_ADDRESS} drop`,
      ],
    },
  ];
}

/**
 * To tasks only what a published port let in; from tasks to the world, unless isolated; from the sandbox answers.
 * What tasks send leaves with this node's address, which other nodes' tunnels believe: so never to a tunnel port.
 */
function forward(names: Names, { facts }: HostPlan): NftChain[] {
  return [
    {
      name: "forward",
      base: { type: "filter", hook: "forward", priority: "filter", policy: "accept" },
      rules: [
        `iifname ${names.anyGatewayLeg} jump forward-task`,
        "ct state established,related accept",
        `iifname "${names.meshLeg}" drop`,
        `oifname "${names.meshLeg}" ct status dnat accept`,
        `oifname "${names.meshLeg}" drop`,
        `oifname ${names.anyGatewayLeg} ct status dnat accept`,
        `oifname ${names.anyGatewayLeg} drop`,
      ],
    },
    {
      name: "forward-task",
      rules: [
        ...(isMember(facts) ? [`udp dport ${tunnelPorts(facts)} drop`] : []),
        "ip saddr @isolated drop",
      ],
    },
  ];
}

/** A node in no cluster has no tunnels. */
const isMember = ({ self }: HostPlan["facts"]): boolean => self.nodeId !== "";

/** A published port at any address of this host: to the mesh, or to the task on this host that has the port. */
function publish({ gateway }: HostPlan): string[] {
  return [
    `fib daddr type local meta l4proto . th dport @published dnat to ${gateway.meshSandbox}`,
    "fib daddr type local dnat ip to meta l4proto . th dport map @host-ports",
  ];
}

/** What comes to the host, and tasks' questions for names. */
function prerouting(names: Names, plan: HostPlan): NftChain {
  const resolver = `${plan.gateway.bridge}:${plan.resolverPort}`;
  return {
    name: "prerouting",
    base: { type: "nat", hook: "prerouting", priority: "dstnat", policy: "accept" },
    rules: [
      ...questions((protocol) => `iifname ${names.anyGatewayLeg} ${protocol} dport 53 dnat to ${resolver}`),
      ...publish(plan),
    ],
  };
}

/** The host's own clients; nft has no word for this priority at this hook. */
function output(plan: HostPlan): NftChain {
  return {
    name: "output",
    base: { type: "nat", hook: "output", priority: "-100", policy: "accept" },
    rules: publish(plan),
  };
}

/**
 * Only callers whose address means nothing elsewhere, or something else, lose it on the way to a published port: loopback, addresses of
 * the gateway subnet (every node has the same), and those that in the mesh would be a task's or a node's. Everything else that leaves the
 * subnet is masqueraded: egress.
 */
function postrouting(names: Names, { facts, gateway, ingress }: HostPlan): NftChain {
  const subnet = facts.self.gatewaySubnet;
  const mesh = ingress === undefined ? [] : subnetsOf(ingress.network).map((of) => of.subnet);
  const nameless = ["127.0.0.0/8", subnet, ...mesh];
  return {
    name: "postrouting",
    base: { type: "nat", hook: "postrouting", priority: "srcnat", policy: "accept" },
    rules: [
      ...nameless.map((from) => `ip saddr ${from} oifname "${names.meshLeg}" snat to ${gateway.meshHost}`),
      `ip saddr 127.0.0.0/8 oifname ${names.anyGatewayLeg} snat to ${gateway.bridge}`,
      `ip saddr . ip daddr @self snat to ${gateway.bridge}`,
      `ip saddr ${subnet} oifname != { "lo", "${names.bridge}" } oifname != ${names.anyGatewayLeg} masquerade`,
    ],
  };
}
