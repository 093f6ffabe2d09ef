import { type Subnet, subnetsOf } from "../lib/index.ts";
import type { Link, Namespace, NftTable, Route, RouteRule } from "../netstate/index.ts";
import { type GatewayLayout, macOf, markOf } from "./addresses.ts";
import type { Names } from "./names.ts";
import type { Survey } from "./survey.ts";

const RULE_PRIORITY = 100;
const MAIN_TABLE = 254;

/**
 * What the ingress sandbox has beyond every sandbox: a leg up to the host, whence published connections come; the way
 * back to the node where a connection entered, so that nobody has to hide the client's address; and a closed door
 * between tasks, for which ingress is no network to talk on (Swarm: the same).
 */
export function meshPart(names: Names, survey: Survey, gateway: GatewayLayout, host: string): Namespace {
  const vxlan = names.vxlan(survey.network.vni);
  const marks = entryMarks(survey);
  const up: Link = {
    kind: "veth",
    name: names.hostLeg,
    mac: macOf(gateway.meshSandbox),
    mtu: survey.network.mtu,
    peer: { namespace: host, name: names.meshLeg },
  };
  return {
    links: [up],
    addresses: [{ link: names.hostLeg, address: `${gateway.meshSandbox}/30` }],
    routes: [
      // `onlink`, and a route of our own in the host: the kernel's for the link's subnet may be flushed, and is not ours to put back.
      { destination: "default", link: names.hostLeg, via: gateway.meshHost, onlink: true },
      ...entryRoutes(marks, vxlan),
    ],
    rules: markRules(marks),
    neighbours: [{ link: names.hostLeg, address: gateway.meshHost, mac: macOf(gateway.meshHost) }],
    fdb: [],
    sysctls: meshSysctls(names.hostLeg, vxlan),
    tables: [meshTable("ip", names, vxlan, { marks, subnets: subnetsOf(survey.network) })],
  };
}

/**
 * Where a namespace has routing rules the kernel looks up every packet's source by all of them, even with `rp_filter` off, only to refuse
 * one that is an address of its own; `accept_local` spares that (`fib_validate_source`). On legs of tasks it stays: they have `rp_filter`.
 */
function meshSysctls(hostLeg: string, vxlan: string): Record<string, string> {
  return {
    [`net.ipv4.conf.${hostLeg}.rp_filter`]: "0",
    [`net.ipv4.conf.${hostLeg}.accept_local`]: "1",
    [`net.ipv4.conf.${vxlan}.accept_local`]: "1",
  };
}

/** The node by which a connection came, by its address on the network. */
export interface EntryMark {
  readonly address: string;
  readonly mark: number;
}

export function entryMarks({ network, peers }: Survey): EntryMark[] {
  return peers.map(({ address }) => ({ address, mark: markOf(address, network) }));
}

/**
 * By its mark an answer finds its table. A rule a node is a list that the kernel walks for each packet, so what has no mark, as all that
 * goes to tasks, has its rule before them.
 */
export function markRules(marks: readonly EntryMark[]): RouteRule[] {
  if (marks.length === 0) return [];
  const unmarked = { priority: RULE_PRIORITY - 1, mark: 0, table: MAIN_TABLE };
  return [unmarked, ...marks.map(({ mark }) => ({ priority: RULE_PRIORITY, mark, table: mark }))];
}

/** One table per entry node with one route in it: back through that node. */
function entryRoutes(marks: readonly EntryMark[], link: string): Route[] {
  return marks.map(({ address, mark }) => ({
    destination: "default",
    link,
    via: address,
    onlink: true,
    table: mark,
  }));
}

/** How a refusal is said. */
const REFUSALS = { ip: "icmp", ip6: "icmpv6" } as const;

export interface MeshSides {
  readonly marks: readonly EntryMark[];
  /** Those of the ingress network, in the family. */
  readonly subnets: readonly Subnet[];
}

export function meshTable(
  family: keyof typeof REFUSALS,
  names: Names,
  vxlan: string,
  { marks, subnets }: MeshSides,
): NftTable {
  const elements = Object.fromEntries(marks.map(({ address, mark }) => [macOf(address), hexMark(mark)]));
  return {
    family,
    name: names.table("mesh"),
    sets: [],
    maps: [{ name: "entries", key: "ether_addr", value: "mark", elements }],
    chains: [
      ...entryZones(subnets.map(({ subnet }) => `${family} daddr ${subnet} iifname "${vxlan}"`)),
      {
        name: "prerouting",
        base: { type: "filter", hook: "prerouting", priority: "mangle", policy: "accept" },
        rules: [
          `ct state new iifname "${vxlan}" ct mark set ether saddr map @entries`,
          `iifname ${names.anyTaskLeg} meta mark set ct mark`,
        ],
      },
      {
        name: "forward",
        base: { type: "filter", hook: "forward", priority: "filter", policy: "drop" },
        rules: [
          "ct state established,related accept",
          `iifname "${names.hostLeg}" ct status dnat accept`,
          `iifname "${vxlan}" oifname ${names.anyTaskLeg} accept`,
          `reject with ${REFUSALS[family]} admin-prohibited`,
        ],
      },
    ],
  };
}

/**
 * One client may use one port of its own by two nodes at a time, and a task sees his address either way: for the task both are one connection.
 * So what comes to tasks from another node is tracked apart for each (zones, by the end of its MAC, which is that of its address), the way
 * back is not: of two that would have the same way back the kernel gives the later one another port, if the namespace translates at all
 * (nf_nat_core.c, get_unique_tuple; the chain without rules sees to that). Answers to clients of this node have no zone.
 */
const entryZones = (arrivals: readonly string[]): NftTable["chains"] => [
  {
    name: "entry-zones",
    base: { type: "filter", hook: "prerouting", priority: "raw", policy: "accept" },
    rules: arrivals.map((arrival) => `${arrival} ct original zone set @ll,80,16`),
  },
  {
    name: "unique",
    base: { type: "nat", hook: "postrouting", priority: "srcnat", policy: "accept" },
    rules: [],
  },
];

/** As nft prints a mark. */
const hexMark = (mark: number): string => `0x${mark.toString(16).padStart(8, "0")}`;
