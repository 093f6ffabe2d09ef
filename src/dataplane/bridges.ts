import {
  EMPTY_NAMESPACE,
  HOST,
  type Link,
  type Namespace,
  type NftChain,
  type NftTable,
} from "../netstate/index.ts";
import { macOf } from "./addresses.ts";
import { embed, fits6, linkSysctls6 } from "./addresses6.ts";
import type { BridgeFact, NodeSettings } from "./facts.ts";
import type { HostPlan } from "./host-plan.ts";
import { type Names, netnsNameOf } from "./names.ts";
import { sortBy } from "./ordered-list.ts";
import { byPort } from "./served.ts";
import type { BridgeLeg, TaskPlan } from "./task-plan.ts";

/**
 * Bridge networks of this node, for containers made by hand: a bridge in the host with the gateway's address, and a port of it for
 * every container there. So the host and the containers of one network reach each other as if by a switch. Nothing is forwarded
 * between a bridge and anything else: a container's way out, its names and its published ports are its gateway leg's business.
 */

/** The legs of a container, in the order of its devices. A bridge that is not known has none. */
export function bridgeLegs(
  { bridges: places = {}, devices = {} }: TaskPlan["task"],
  bridges: ReadonlyMap<string, BridgeFact>,
): BridgeLeg[] {
  const legs = Object.entries(places).flatMap(([id, place]): BridgeLeg[] => {
    const [bridge, ethernet] = [bridges.get(id), devices[id]];
    return bridge === undefined || ethernet === undefined ? [] : [{ ethernet, bridge, place }];
  });
  return sortBy(legs, ({ ethernet }) => ethernet);
}

/** The bridge's IPv6 side as this node carries it. */
export function bridgeSide6({ ipv6 = false }: NodeSettings, { mtu, v6 }: BridgeFact): BridgeFact["v6"] {
  return ipv6 && fits6(mtu) ? v6 : undefined;
}

/** What a container's namespace has for its bridges. */
export function containerBridges(names: Names, { task, bridgeLegs: legs }: TaskPlan): Namespace {
  if (legs.length === 0) return EMPTY_NAMESPACE;
  const six = legs.filter(({ bridge, place }) => bridge.v6 !== undefined && place.address6 !== undefined);
  return {
    ...EMPTY_NAMESPACE,
    links: legs.map(
      ({ ethernet, bridge, place }): Link => ({
        kind: "veth",
        name: ethernet,
        mac: macOf(place.address),
        ...mtuOf(bridge),
        peer: { namespace: HOST, name: names.bridgeLeg(task.taskId, bridge.id) },
      }),
    ),
    addresses: [
      ...legs.map(({ ethernet, bridge, place }) => ({
        link: ethernet,
        address: `${place.address}/${bitsOf(bridge.subnet)}`,
      })),
      ...six.map(({ ethernet, bridge, place }) => ({
        link: ethernet,
        address: `${place.address6}/${bitsOf(bridge.v6?.subnet ?? "")}`,
      })),
    ],
    routes: six.map(({ ethernet, bridge }) => ({ destination: bridge.v6?.subnet ?? "", link: ethernet })),
    sysctls: {
      ...Object.fromEntries(legs.map(({ ethernet }) => [`net.ipv4.conf.${ethernet}.rp_filter`, "0"])),
      ...linkSysctls6(six.map(({ ethernet }) => ethernet)),
    },
  };
}

/** The host's share. */
export function bridgePart(names: Names, plan: HostPlan): Namespace {
  const bridges = sortBy(plan.facts.bridges ?? [], ({ id }) => id);
  const bound = boundPorts(plan);
  if (bridges.length + bound.length === 0) return EMPTY_NAMESPACE;
  const six = bridges.filter((bridge) => bridgeSide6(plan.facts.self, bridge) !== undefined);
  return {
    ...EMPTY_NAMESPACE,
    links: [
      ...bridges.map(
        (bridge): Link => ({
          kind: "bridge",
          name: names.localBridge(bridge.id),
          // Of its own: the kernel would take a port's, and another one's when that goes.
          mac: macOf(bridge.gateway),
          ...mtuOf(bridge),
        }),
      ),
      ...plan.tasks.flatMap((task) => task.bridgeLegs.map((leg) => portOf(names, task, leg))),
    ],
    addresses: [
      ...bridges.map((bridge) => ({
        link: names.localBridge(bridge.id),
        address: `${bridge.gateway}/${bitsOf(bridge.subnet)}`,
      })),
      ...six.map(({ id, v6 }) => ({
        link: names.localBridge(id),
        address: `${v6?.gateway}/${bitsOf(v6?.subnet ?? "")}`,
      })),
    ],
    // Beside the kernel's own for IPv4, which nobody would put back.
    routes: [
      ...bridges.map(({ id, subnet, gateway }) => ({
        destination: subnet,
        link: names.localBridge(id),
        source: gateway,
      })),
      ...six.map(({ id, v6 }) => ({ destination: v6?.subnet ?? "", link: names.localBridge(id) })),
    ],
    sysctls: linkSysctls6(six.map(({ id }) => names.localBridge(id))),
    tables: [
      bridgeTable(names, plan, bridges, bound),
      ...(six.length === 0 ? [] : [bridgeTable6(names, plan, six)]),
    ],
  };
}

function portOf(names: Names, { task }: TaskPlan, { ethernet, bridge }: BridgeLeg): Link {
  return {
    kind: "veth",
    name: names.bridgeLeg(task.taskId, bridge.id),
    ...mtuOf(bridge),
    master: names.localBridge(bridge.id),
    ...(bridge.icc === false && { isolated: true }),
    peer: { namespace: netnsNameOf(task.taskId), name: ethernet },
  };
}

function bridgeTable(
  names: Names,
  plan: HostPlan,
  bridges: readonly BridgeFact[],
  bound: readonly (readonly [string, string])[],
): NftTable {
  const { gateway } = plan;
  const publish = "dnat ip to ip daddr . meta l4proto . th dport map @bound-ports";
  return {
    family: "ip",
    name: names.table("bridge"),
    sets: [],
    maps: [
      {
        name: "bound-ports",
        key: "ipv4_addr . inet_proto . inet_service",
        value: "ipv4_addr . inet_service",
        elements: Object.fromEntries(bound),
      },
    ],
    chains: [
      guard(names, bridges),
      forward(names, bridges),
      nat("prerouting", "dstnat", [publish]),
      nat("output", "-100", [publish]),
      // The answer to a container that asked at the host's address has to come back here, and not by a short cut.
      nat(
        "postrouting",
        "srcnat",
        bridges.flatMap(({ subnet }) => [
          `ip saddr ${subnet} oifname ${names.anyGatewayLeg} snat to ${gateway.bridge}`,
          ...(plan.ingress === undefined
            ? []
            : [`ip saddr ${subnet} oifname "${names.meshLeg}" snat to ${gateway.meshHost}`]),
        ]),
      ),
    ],
  };
}

/** The same for IPv6, whose ports are published at all of the host's addresses alone (`hostChains6`). */
function bridgeTable6(names: Names, { gateway }: HostPlan, bridges: readonly BridgeFact[]): NftTable {
  const inside = embed("gateway", gateway.bridge);
  const calls = bridges.flatMap(({ v6 }) =>
    v6 === undefined ? [] : [`ip6 saddr ${v6.subnet} oifname ${names.anyGatewayLeg} snat to ${inside}`],
  );
  const chains = [guard(names, bridges), forward(names, bridges), nat("postrouting", "srcnat", calls)];
  return { family: "ip6", name: names.table("bridge"), sets: [], maps: [], chains };
}

/** No container speaks in the name of an address that is not of its network. */
function guard(names: Names, bridges: readonly BridgeFact[]): NftChain {
  return {
    name: "guard",
    base: { type: "filter", hook: "prerouting", priority: "raw", policy: "accept" },
    rules: bridges.map(({ id }) => `iifname "${names.localBridge(id)}" fib saddr . iif oif 0 drop`),
  };
}

/** A bridge leads nowhere but to its own ports, and from one that has a way out to published ports of this host. */
function forward(names: Names, bridges: readonly BridgeFact[]): NftChain {
  return {
    name: "forward",
    base: { type: "filter", hook: "forward", priority: "filter", policy: "accept" },
    rules: [
      "ct state established,related accept",
      ...bridges.flatMap(({ id, internal }) => {
        const name = names.localBridge(id);
        return [
          ...(internal ? [] : [`iifname "${name}" oifname ${names.anyGatewayLeg} ct status dnat accept`]),
          ...(internal ? [] : [`iifname "${name}" oifname "${names.meshLeg}" ct status dnat accept`]),
          `iifname "${name}" oifname != "${name}" drop`,
          `iifname != "${name}" oifname "${name}" drop`,
        ];
      }),
    ],
  };
}

function nat(
  hook: "prerouting" | "output" | "postrouting",
  priority: string,
  rules: readonly string[],
): NftChain {
  return { name: hook, base: { type: "nat", hook, priority, policy: "accept" }, rules };
}

/** Ports at one of the host's addresses alone, as elements of a map. */
function boundPorts({ tasks }: HostPlan): (readonly [string, string])[] {
  return tasks.flatMap(({ task }) =>
    sortBy(task.hostPorts, byPort).flatMap(({ hostAddress, protocol, published, target }) =>
      hostAddress === undefined
        ? []
        : [[`${hostAddress} . ${protocol} . ${published}`, `${task.gatewayAddress} . ${target}`] as const],
    ),
  );
}

const bitsOf = (subnet: string): string => subnet.split("/")[1] ?? "";

const mtuOf = ({ mtu }: BridgeFact): { readonly mtu?: number } => (mtu === undefined ? {} : { mtu });
