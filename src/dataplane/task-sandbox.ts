import { placeIn, subnetsOf, subnetWith } from "../lib/index.ts";
import type { Address, Link, Namespace, Route, RouteRule } from "../netstate/index.ts";
import { type GatewayLayout, macOf } from "./addresses.ts";
import { datagramRule, datagramTable } from "./datagrams.ts";
import type { TaskFact } from "./facts.ts";
import { type Names, sandboxNameOf } from "./names.ts";
import type { TaskLeg, TaskPlan } from "./task-plan.ts";

/** Where Docker's containers expect their resolver; images and stacks hard-code it. */
export const DNS_ADDRESS = "127.0.0.11";

/** The kernel's table of local addresses, asked first: a longer prefix in it takes one away from 127.0.0.0/8. */
const LOCAL_TABLE = 255;

export const PUBLISHED_TABLE = 100;
export const RULE_PRIORITY = 100;

/**
 * The namespace of a task: a leg per network, the gateway leg, and the way to the resolver, which is a route and no rule: where no
 * table translates, the kernel tracks no connection, and what a task sends and gets costs less.
 */
export function taskSandbox(
  names: Names,
  plan: TaskPlan,
  gateway: GatewayLayout,
  settings: { readonly host: string; readonly resolverPort: number },
): Namespace {
  const ingress = plan.legs.find((leg) => leg.network.ingress);
  return {
    links: [...plan.legs.map((leg) => overlayEnd(names, plan.task, leg)), gatewayEnd(names, plan, settings)],
    addresses: addressesOf(plan),
    routes: [
      ...plan.legs.flatMap(subnetRoutes),
      ...gatewayRoutes(plan, gateway),
      ...(ingress === undefined ? [] : [publishedRoute(ingress)]),
    ],
    rules: ingress === undefined ? [] : publishedRules(plan, ingress),
    neighbours: [{ link: plan.gatewayEthernet, address: gateway.bridge, mac: macOf(gateway.bridge) }],
    fdb: [],
    sysctls: sysctlsOf(plan),
    tables:
      ingress === undefined || !plan.takesDatagrams
        ? []
        : [datagramTable(names.table("udp"), ingress, plan.task.gatewayAddress)],
  };
}

function overlayEnd(names: Names, task: TaskFact, { ethernet, address, network }: TaskLeg): Link {
  return {
    kind: "veth",
    name: ethernet,
    mac: macOf(address),
    mtu: network.mtu,
    peer: { namespace: sandboxNameOf(network.id), name: names.taskLeg(task.taskId) },
  };
}

function gatewayEnd(
  names: Names,
  { task, gatewayEthernet, gatewayMtu }: TaskPlan,
  settings: { readonly host: string },
): Link {
  return {
    kind: "veth",
    name: gatewayEthernet,
    mac: macOf(task.gatewayAddress),
    ...(gatewayMtu !== undefined && { mtu: gatewayMtu }),
    peer: { namespace: settings.host, name: names.gatewayLeg(task.taskId) },
  };
}

function addressesOf({ task, legs, gatewayEthernet }: TaskPlan): Address[] {
  const overlay = legs.map(({ ethernet, address, network }) => ({
    link: ethernet,
    address: placeIn(network, address).address,
  }));
  return [...overlay, { link: gatewayEthernet, address: `${task.gatewayAddress}/32` }];
}

/** What else there is of the network lies behind its router, as in Docker (libnetwork's overlay, Join). */
function subnetRoutes({ ethernet: link, address, network }: TaskLeg): Route[] {
  const own = subnetWith(network, address);
  const others = subnetsOf(network).filter((subnet) => subnet !== own);
  return others.map(({ subnet }) => ({ destination: subnet, link, via: own.gateway, onlink: true }));
}

function gatewayRoutes(
  { task, gatewayEthernet: link, isolated }: TaskPlan,
  { bridge }: GatewayLayout,
): Route[] {
  const gateway = { link, via: bridge, onlink: true };
  const bound = [
    { destination: `${bridge}/32`, link },
    { destination: `${DNS_ADDRESS}/32`, ...gateway, source: task.gatewayAddress, table: LOCAL_TABLE },
  ];
  return isolated ? bound : [...bound, { destination: "default", ...gateway }];
}

/** Answers from the ingress address go back the way the client's packets came, whatever the client's address is. */
function publishedRoute({ ethernet, address, network }: TaskLeg): Route {
  return {
    destination: "default",
    link: ethernet,
    via: placeIn(network, address).gateway,
    onlink: true,
    table: PUBLISHED_TABLE,
  };
}

function publishedRules({ takesDatagrams }: TaskPlan, { address }: TaskLeg): RouteRule[] {
  const byAddress = { priority: RULE_PRIORITY, from: `${address}/32`, table: PUBLISHED_TABLE };
  return takesDatagrams ? [byAddress, datagramRule(RULE_PRIORITY, PUBLISHED_TABLE)] : [byAddress];
}

/** Clients' packets arrive on the ingress leg from any address; the answers of the resolver come from 127.0.0.11. */
function sysctlsOf({ legs, gatewayEthernet }: TaskPlan): Record<string, string> {
  const links = ["all", "default", ...legs.map((leg) => leg.ethernet), gatewayEthernet];
  const loose = links.map((link) => [`net.ipv4.conf.${link}.rp_filter`, "0"]);
  return {
    ...Object.fromEntries(loose),
    [`net.ipv4.conf.${gatewayEthernet}.route_localnet`]: "1",
  };
}
