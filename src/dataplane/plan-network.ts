import { subnetsOf } from "../lib/index.ts";
import { EMPTY_NAMESPACE, HOST, type Namespace, type NodeNetwork } from "../netstate/index.ts";
import { type GatewayLayout, gatewayLayout } from "./addresses.ts";
import { embed } from "./addresses6.ts";
import type { Balancer, Balancing, PublishedService, VirtualService } from "./balancer.ts";
import { bridgePart, containerBridges } from "./bridges.ts";
import { Derived } from "./derived.ts";
import { encryption, withEncryptedMtu } from "./encryption.ts";
import type { NetworkFacts, SideFact } from "./facts.ts";
import { flowTable } from "./flow-tables.ts";
import { hostPart } from "./host.ts";
import { hostPart6 } from "./host6.ts";
import { meshPart } from "./mesh.ts";
import { meshPart6 } from "./mesh6.ts";
import { type Names, namesFor, netnsNameOf, sandboxNameOf } from "./names.ts";
import { networkSandbox } from "./network-sandbox.ts";
import { networkSandbox6 } from "./network-sandbox6.ts";
import { nftBalancer } from "./nft-balancer.ts";
import { planTasks } from "./plan-tasks.ts";
import type { Service } from "./served.ts";
import { type Side, type Survey, surveyNetworks } from "./survey.ts";
import { taskSandbox } from "./task-sandbox.ts";
import { taskSandbox6 } from "./task-sandbox6.ts";

export interface PlanSettings {
  /** Marks everything of one swarm in the kernel: 1 to 5 lowercase letters and digits, a letter first. */
  readonly tag: string;
  /** Port of the resolver on the gateway bridge; 53 when absent. */
  readonly resolverPort?: number;
  /** MTU of tasks' gateway legs, bytes; the kernel's 1500 when absent. */
  readonly gatewayMtu?: number;
  /** Sandboxes get flow tables, which not every kernel has. */
  readonly flowTables?: boolean;
  /** nftables when absent. */
  readonly balancer?: Balancer;
}

/**
 * What a node's network must be, given the facts; order in the facts has no meaning. Throws an "invalid" Fault
 * for a bad tag, subnet or address.
 */
export function planNetwork(given: NetworkFacts, settings: PlanSettings): NodeNetwork {
  if (isIdle(given)) return { namespaces: { [HOST]: EMPTY_NAMESPACE } };
  const facts = withEncryptedMtu(given);
  const names = namesFor(settings.tag);
  const gateway = gatewayLayout(facts.self.gatewaySubnet);
  const resolverPort = settings.resolverPort ?? 53;
  const common = {
    resolverPort,
    ...(settings.gatewayMtu !== undefined && { gatewayMtu: settings.gatewayMtu }),
  };
  const tasks = planTasks(facts, settings.gatewayMtu);
  const surveys = surveyNetworks(facts, tasks);
  const ingress = surveys.find((survey) => survey.network.ingress);
  const sandboxes = surveys.map((survey) => {
    const sandbox = merge(sandboxParts(names, facts, survey, gateway, settings.balancer ?? nftBalancer));
    const { ingress: isIngress, vni } = survey.network;
    const fast = settings.flowTables
      ? [flowTable(names, sandbox, isIngress ? names.vxlan(vni) : undefined)]
      : [];
    const tables = [...sandbox.tables, ...fast];
    return [sandboxNameOf(survey.network.id), { ...sandbox, tables }] as const;
  });
  const own = tasks.map((task) => {
    const four = taskSandbox(names, task, gateway, { host: HOST, resolverPort });
    const parts = [four, taskSandbox6(names, task, gateway), containerBridges(names, task)];
    return [netnsNameOf(task.task.taskId), merge(parts)] as const;
  });
  const plan = { facts, tasks, ingress, gateway, ...common };
  const host = merge([hostPart(names, plan), hostPart6(names, plan), bridgePart(names, plan)]);
  const xfrm = encryption(facts);
  return {
    namespaces: {
      [HOST]: { ...host, ...(xfrm && { xfrm }) },
      ...Object.fromEntries(sandboxes),
      ...Object.fromEntries(own),
    },
  };
}

/** A node in no cluster, with no sandbox and no bridge of its own, has nothing of ours in its kernel. */
function isIdle({ self, tasks, bridges = [] }: NetworkFacts): boolean {
  return self.nodeId === "" && tasks.length === 0 && bridges.length === 0;
}

/** The shares of a network's sandbox; IPv6 is balanced by nftables, whoever balances IPv4. */
function sandboxParts(
  names: Names,
  { self }: NetworkFacts,
  survey: Survey,
  gateway: GatewayLayout,
  balancer: Balancer,
): Namespace[] {
  const { network, address, six } = survey;
  const inside = gateway.meshSandbox;
  const { scheduler } = network;
  const four = balancer({
    ...balancingOf(names, survey, { address, inside, on: network }),
    ...(scheduler !== undefined && { scheduler }),
  });
  const parts = [networkSandbox(names, self, survey, four)];
  if (network.ingress) parts.push(meshPart(names, survey, gateway, HOST));
  if (six === undefined) return parts;
  const at = { address: six.gateway, inside: embed("gateway", inside), family: "ip6", on: six } as const;
  parts.push(networkSandbox6(names, survey, six, nftBalancer(balancingOf(names, six, at))));
  if (network.ingress) parts.push(meshPart6(names, survey, gateway));
  return parts;
}

/** `inside`: the sandbox's address on its link to the host, for which published connections come. */
function balancingOf(
  names: Names,
  side: Side,
  { address, inside, family, on }: Pick<Balancing, "address" | "family"> & { inside: string; on: SideFact },
): Balancing {
  return {
    table: names.table("lb"),
    ...(family !== undefined && { family }),
    address,
    subnets: subnetsOf(on).map(({ subnet }) => subnet),
    virtual: VIRTUAL.of(side.services),
    published: PUBLISHED.of(side.services, names.hostLeg, inside),
    tasks: side.legs.filter((leg) => leg.routed).map((leg) => leg.address),
  };
}

const VIRTUAL = new Derived(({ id: serviceId, vip, backends }: Service): VirtualService[] =>
  vip === undefined ? [] : [{ serviceId, vip, backends }],
);

const PUBLISHED = new Derived(
  ({ id: serviceId, published }: Service, link = "", address = ""): PublishedService[] =>
    published.map((of) => ({ serviceId, ...of, link, address })),
);

/** Two shares of one namespace as one. */
function merge(parts: readonly Namespace[]): Namespace {
  const ipvs = parts.find((part) => part.ipvs !== undefined)?.ipvs;
  return {
    links: joined(parts.map((part) => part.links)),
    addresses: joined(parts.map((part) => part.addresses)),
    routes: joined(parts.map((part) => part.routes)),
    rules: joined(parts.map((part) => part.rules)),
    neighbours: joined(parts.map((part) => part.neighbours)),
    fdb: joined(parts.map((part) => part.fdb)),
    sysctls: Object.assign({}, ...parts.map((part) => part.sysctls)),
    tables: parts.flatMap((part) => part.tables),
    ...(ipvs !== undefined && { ipvs }),
  };
}

/** Lists as one, which is the same list when there is only one with something in it. */
function joined<T>(lists: readonly (readonly T[])[]): readonly T[] {
  const [first = [], ...more] = lists.filter((list) => list.length > 0);
  return more.length === 0 ? first : first.concat(...more);
}
