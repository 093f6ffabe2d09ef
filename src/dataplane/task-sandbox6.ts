import { placeIn, subnetsOf } from "../lib/index.ts";
import {
  type Address,
  EMPTY_NAMESPACE,
  type Namespace,
  type Neighbour,
  type NftTable,
  type Route,
  type RouteRule,
} from "../netstate/index.ts";
import { type GatewayLayout, macOf } from "./addresses.ts";
import { embed, linkSysctls6 } from "./addresses6.ts";
import { datagramRule, datagramTable } from "./datagrams.ts";
import type { Names } from "./names.ts";
import type { TaskLeg, TaskPlan } from "./task-plan.ts";
import { PUBLISHED_TABLE, RULE_PRIORITY } from "./task-sandbox.ts";

interface SixLeg {
  readonly ethernet: string;
  readonly network: TaskLeg["network"];
  /** "fd00:1::5", and with its prefix length. */
  readonly address: string;
  readonly place: string;
  readonly gateway: string;
  /** All of the network's. */
  readonly subnets: readonly string[];
}

/** What a task's namespace has beside its IPv4: the same legs and ways, each with its router as a known neighbour. */
export function taskSandbox6(names: Names, plan: TaskPlan, gateway: GatewayLayout): Namespace {
  const legs = plan.legs.flatMap(sixLeg);
  const out = plan.gatewayAddress6 === undefined ? [] : [plan.gatewayEthernet];
  const links = [...legs.map((leg) => leg.ethernet), ...out];
  if (links.length === 0) return EMPTY_NAMESPACE;
  const ingress = legs.find((leg) => leg.network.ingress);
  return {
    ...EMPTY_NAMESPACE,
    addresses: [...legs.map(legAddress), ...gatewayAddresses(plan)],
    routes: [...legs.flatMap(legRoutes), ...gatewayRoutes(plan, gateway), ...publishedRoutes(ingress)],
    rules: publishedRules(plan, ingress),
    neighbours: [...legs.map(legRouter), ...gatewayNeighbours(plan, gateway)],
    sysctls: linkSysctls6(links),
    tables: datagramTables(names, plan, ingress),
  };
}

function sixLeg({ ethernet, network, six }: TaskLeg): SixLeg[] {
  if (six === undefined) return [];
  const { address: place, gateway } = placeIn(six, six.address);
  const subnets = subnetsOf(six).map(({ subnet }) => subnet);
  return [{ ethernet, network, address: six.address, place, gateway, subnets }];
}

function legAddress({ ethernet, place }: SixLeg): Address {
  return { link: ethernet, address: place };
}

/** The whole network lies behind the sandbox. */
function legRoutes({ ethernet: link, subnets, gateway: via }: SixLeg): Route[] {
  return subnets.map((destination) => ({ destination, link, via, onlink: true }));
}

function legRouter({ ethernet, gateway, network }: SixLeg): Neighbour {
  return { link: ethernet, address: gateway, mac: macOf(network.gateway) };
}

function gatewayAddresses({ gatewayAddress6, gatewayEthernet: link }: TaskPlan): Address[] {
  return gatewayAddress6 === undefined ? [] : [{ link, address: `${gatewayAddress6}/128` }];
}

function gatewayRoutes(
  { gatewayAddress6, gatewayEthernet: link }: TaskPlan,
  gateway: GatewayLayout,
): Route[] {
  if (gatewayAddress6 === undefined) return [];
  const bridge = embed("gateway", gateway.bridge);
  return [
    { destination: `${bridge}/128`, link },
    { destination: "::/0", link, via: bridge, onlink: true },
  ];
}

function gatewayNeighbours(
  { gatewayAddress6, gatewayEthernet: link }: TaskPlan,
  { bridge }: GatewayLayout,
): Neighbour[] {
  if (gatewayAddress6 === undefined) return [];
  return [{ link, address: embed("gateway", bridge), mac: macOf(bridge) }];
}

/** Answers from the ingress address go back the way the client's packets came, whatever the client's address is. */
function publishedRoutes(ingress: SixLeg | undefined): Route[] {
  if (ingress === undefined) return [];
  const { ethernet: link, gateway: via } = ingress;
  return [{ destination: "::/0", link, via, onlink: true, table: PUBLISHED_TABLE }];
}

function publishedRules({ takesDatagrams }: TaskPlan, ingress: SixLeg | undefined): RouteRule[] {
  if (ingress === undefined) return [];
  const byAddress = { priority: RULE_PRIORITY, from: `${ingress.address}/128`, table: PUBLISHED_TABLE };
  const byMark = { ...datagramRule(RULE_PRIORITY, PUBLISHED_TABLE), from: "::/0" };
  return takesDatagrams ? [byAddress, byMark] : [byAddress];
}

function datagramTables(
  names: Names,
  { gatewayAddress6, takesDatagrams }: TaskPlan,
  ingress: SixLeg | undefined,
): NftTable[] {
  if (ingress === undefined || gatewayAddress6 === undefined || !takesDatagrams) return [];
  return [datagramTable(names.table("udp"), ingress, gatewayAddress6, "ip6")];
}
