import { remembered } from "../lib/index.ts";
import { EMPTY_NAMESPACE, HOST, type Namespace, type NodeNetwork } from "../netstate/index.ts";
import { type GatewayLayout, gatewayLayout } from "./addresses.ts";
import { embed } from "./addresses6.ts";
import type { Balancer, Balancing, PublishedService, VirtualService } from "./balancer.ts";
import { bridgePart, containerBridges } from "./bridges.ts";
import { encryption, withEncryptedMtu } from "./encryption.ts";
import type { NetworkFacts, PortFact } from "./facts.ts";
import { flowTable } from "./flow-tables.ts";
import { hostPart } from "./host.ts";
import { hostPart6 } from "./host6.ts";
import { meshPart } from "./mesh.ts";
import { meshPart6 } from "./mesh6.ts";
import { type Names, namesFor, netnsNameOf, sandboxNameOf } from "./names.ts";
import { networkSandbox } from "./network-sandbox.ts";
import { networkSandbox6 } from "./network-sandbox6.ts";
import { nftBalancer } from "./nft-balancer.ts";
import { Remembered } from "./remembered.ts";
import { type Service, type Side, type Survey, surveyNetworks } from "./survey.ts";
import { planTasks } from "./task-plan.ts";
import { type TaskPlan, taskSandbox } from "./task-sandbox.ts";
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
  const tasks = planTasks(facts);
  const surveys = surveyNetworks(facts, tasks);
  const ingress = surveys.find((survey) => survey.network.ingress);
  const sandboxes = surveys.map((survey) => {
    const sandbox = merge(sandboxParts(names, facts, survey, gateway, settings.balancer ?? nftBalancer));
    const fast = settings.flowTables ? [flowTable(names, sandbox, survey.network.ingress)] : [];
    const tables = [...sandbox.tables, ...fast];
    return [sandboxNameOf(survey.network.id), { ...sandbox, tables }] as const;
  });
  const own = tasks.map((task) => {
    const four = taskSandbox(names, task, gateway, { host: HOST, resolverPort, ...mtuOf(task, settings) });
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

/** What leaves a container by its gateway leg is no larger than its networks want it. */
function mtuOf({ bridgeLegs }: TaskPlan, { gatewayMtu }: PlanSettings): { readonly gatewayMtu?: number } {
  const all = [gatewayMtu, ...bridgeLegs.map(({ bridge }) => bridge.mtu)].filter((mtu) => mtu !== undefined);
  return all.length === 0 ? {} : { gatewayMtu: Math.min(...all) };
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
    ...balancingOf(names, survey, { address, inside }),
    ...(scheduler !== undefined && { scheduler }),
  });
  const parts = [networkSandbox(names, self, survey, four)];
  if (network.ingress) parts.push(meshPart(names, survey, gateway, HOST));
  if (six === undefined) return parts;
  const at = { address: six.gateway, inside: embed("gateway", inside), family: "ip6" } as const;
  parts.push(networkSandbox6(names, survey, six, nftBalancer(balancingOf(names, six, at))));
  if (network.ingress) parts.push(meshPart6(names, survey, gateway));
  return parts;
}

/** `inside`: the sandbox's address on its link to the host, for which published connections come. */
function balancingOf(
  names: Names,
  side: Side,
  { address, inside, family }: { readonly address: string; readonly inside: string; readonly family?: "ip6" },
): Balancing {
  return {
    table: names.table("lb"),
    ...(family !== undefined && { family }),
    address,
    virtual: side.services.flatMap(virtualOf),
    published: side.services.flatMap((service) =>
      service.ports.map((port) => publishedOf(service, port, { link: names.hostLeg, address: inside })),
    ),
    tasks: side.legs.filter((leg) => leg.routed).map((leg) => leg.address),
  };
}

const virtualOf = remembered(({ id: serviceId, vip, backends }: Service): readonly VirtualService[] =>
  vip === undefined ? [] : [{ serviceId, vip, backends }],
);

const PUBLISHED = new Remembered<Service, PublishedService>();

function publishedOf(
  service: Service,
  port: PortFact,
  at: { readonly link: string; readonly address: string },
): PublishedService {
  const fits = (known: PublishedService) =>
    known.port === port && known.link === at.link && known.address === at.address;
  return PUBLISHED.get(service, fits, () => ({
    ...{ serviceId: service.id, port, backends: service.backends },
    ...at,
  }));
}

/** Two shares of one namespace as one. */
function merge(parts: readonly Namespace[]): Namespace {
  const ipvs = parts.find((part) => part.ipvs !== undefined)?.ipvs;
  return {
    links: parts.flatMap((part) => part.links),
    addresses: parts.flatMap((part) => part.addresses),
    routes: parts.flatMap((part) => part.routes),
    rules: parts.flatMap((part) => part.rules),
    neighbours: parts.flatMap((part) => part.neighbours),
    fdb: parts.flatMap((part) => part.fdb),
    sysctls: Object.assign({}, ...parts.map((part) => part.sysctls)),
    tables: parts.flatMap((part) => part.tables),
    ...(ipvs !== undefined && { ipvs }),
  };
}
