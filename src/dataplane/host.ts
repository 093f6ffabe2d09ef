import { remembered, requireCidr } from "../lib/index.ts";
import type { Link, Namespace, NftTable, Route } from "../netstate/index.ts";
import { macOf } from "./addresses.ts";
import { Derived } from "./derived.ts";
import type { NetworkFacts, PortFact, TaskFact } from "./facts.ts";
import { hostChains } from "./host-chains.ts";
import type { HostPlan } from "./host-plan.ts";
import { type Names, netnsNameOf, sandboxNameOf } from "./names.ts";
import { sortBy } from "./ordered-list.ts";
import { byPort, type Service } from "./served.ts";
import type { Survey } from "./survey.ts";
import type { TaskPlan } from "./task-plan.ts";

/**
 * Our share of the host's own namespace. Addresses here are of the gateway subnet only, never of an overlay network: so two swarms with
 * the same overlay subnets can share a host. Of the ingress network it is said which clients have an address as if they were on it.
 */
export function hostPart(names: Names, plan: HostPlan): Namespace {
  const bits = requireCidr(plan.facts.self.gatewaySubnet).bits;
  const mesh = plan.ingress === undefined ? [] : [meshEnd(names, plan, plan.ingress)];
  return {
    links: [
      { kind: "bridge", name: names.bridge },
      ...mesh,
      ...plan.tasks.map((task) => legEnd(names, plan, task)),
    ],
    addresses: [
      { link: names.bridge, address: `${plan.gateway.bridge}/${bits}` },
      ...mesh.map(({ name }) => ({ link: name, address: `${plan.gateway.meshHost}/30` })),
    ],
    routes: [
      ...mesh.map(({ name }) => ({ destination: `${plan.gateway.meshSandbox}/32`, link: name })),
      ...plan.tasks.map((task) => legRoute(names, plan, task)),
    ],
    rules: [],
    neighbours: [
      ...mesh.map(({ name }) => ({
        link: name,
        address: plan.gateway.meshSandbox,
        mac: macOf(plan.gateway.meshSandbox),
      })),
      ...plan.tasks.map(({ task }) => ({
        link: names.gatewayLeg(task.taskId),
        address: task.gatewayAddress,
        mac: macOf(task.gatewayAddress),
      })),
    ],
    fdb: [],
    sysctls: sysctlsOf(names, plan),
    tables: [hostTable(names, plan)],
  };
}

function meshEnd(names: Names, { gateway }: HostPlan, { network }: Survey): Link {
  return {
    kind: "veth",
    name: names.meshLeg,
    mac: macOf(gateway.meshHost),
    mtu: network.mtu,
    peer: { namespace: sandboxNameOf(network.id), name: names.hostLeg },
  };
}

/**
 * A task's gateway leg is routed like its overlay legs, not a port of the bridge: frames between ports of a bridge
 * pass no IP rule, so tasks could talk there, and could lie about their address to the resolver.
 */
function legEnd(names: Names, { gateway, gatewayMtu }: HostPlan, { task, gatewayEthernet }: TaskPlan): Link {
  return {
    kind: "veth",
    name: names.gatewayLeg(task.taskId),
    mac: macOf(gateway.bridge),
    ...(gatewayMtu !== undefined && { mtu: gatewayMtu }),
    peer: { namespace: netnsNameOf(task.taskId), name: gatewayEthernet },
  };
}

function legRoute(names: Names, { gateway }: HostPlan, { task }: TaskPlan): Route {
  return {
    destination: `${task.gatewayAddress}/32`,
    link: names.gatewayLeg(task.taskId),
    source: gateway.bridge,
  };
}

/** `route_localnet` lets answers come back to clients at 127.0.0.1; chain "guard" stops anything else sent there. */
function sysctlsOf(names: Names, { tasks, ingress }: HostPlan): Record<string, string> {
  const legs = tasks
    .filter(({ task }) => task.hostPorts.length > 0)
    .map(({ task }) => names.gatewayLeg(task.taskId));
  const links = ingress === undefined ? legs : [names.meshLeg, ...legs];
  return {
    "net.ipv4.ip_forward": "1",
    ...Object.fromEntries(links.map((link) => [`net.ipv4.conf.${link}.route_localnet`, "1"])),
  };
}

function hostTable(names: Names, plan: HostPlan): NftTable {
  const publishing = plan.tasks.filter(({ task }) => task.hostPorts.length > 0);
  const address = ({ task }: TaskPlan) => task.gatewayAddress;
  return {
    family: "ip",
    name: names.table("host"),
    sets: [
      { name: "peers", type: "ipv4_addr", elements: peersOf(plan.facts) },
      {
        name: "isolated",
        type: "ipv4_addr",
        elements: plan.tasks
          .filter((t) => t.isolated)
          .map(address)
          .sort(),
      },
      {
        name: "self",
        type: "ipv4_addr . ipv4_addr",
        elements: publishing.map(address).map((a) => `${a} . ${a}`),
      },
      { name: "published", type: "inet_proto . inet_service", elements: publishedPorts(plan) },
    ],
    maps: [
      {
        name: "host-ports",
        key: "inet_proto . inet_service",
        value: "ipv4_addr . inet_service",
        elements: Object.fromEntries(publishing.flatMap(({ task }) => hostPorts(task, task.gatewayAddress))),
      },
    ],
    chains: hostChains(names, plan),
  };
}

/** Data-path addresses of the other members. */
function peersOf({ self, nodes }: NetworkFacts): string[] {
  const others = nodes.filter((node) => node.id !== self.nodeId).map((node) => node.dataPathAddress);
  return sortBy([...new Set(others)], String);
}

/** Ports of the mesh as elements of a set. */
export function publishedPorts({ ingress }: HostPlan): readonly string[] {
  return ingress === undefined ? [] : sortedPorts(PORTS.of(ingress.services));
}

const PORTS = new Derived(({ published }: Service): PortFact[] => published.map(({ port }) => port));
const sortedPorts = remembered((ports: readonly PortFact[]): readonly string[] =>
  sortBy(ports, byPort).map(portKey),
);

/** The task's ports at all of the host's addresses as elements of a map, to its address on the gateway leg. */
export function hostPorts({ hostPorts: ports }: TaskFact, address: string): [string, string][] {
  const everywhere = ports.filter(({ hostAddress }) => hostAddress === undefined);
  return sortBy(everywhere, byPort).map((port) => [portKey(port), `${address} . ${port.target}`]);
}

const portKey = (port: PortFact): string => `${port.protocol} . ${port.published}`;
