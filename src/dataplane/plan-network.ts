import { HOST, type Namespace, type NodeNetwork } from "../netstate/index.ts";
import { type GatewayLayout, gatewayLayout } from "./addresses.ts";
import type { Balancer, Balancing, PublishedService } from "./balancer.ts";
import type { NetworkFacts } from "./facts.ts";
import { hostPart } from "./host.ts";
import { meshPart } from "./mesh.ts";
import { type Names, namesFor, netnsNameOf, sandboxNameOf } from "./names.ts";
import { networkSandbox } from "./network-sandbox.ts";
import { nftBalancer } from "./nft-balancer.ts";
import { type Survey, surveyNetworks } from "./survey.ts";
import { planTasks } from "./task-plan.ts";
import { taskSandbox } from "./task-sandbox.ts";

export interface PlanSettings {
  /** Marks everything of one swarm in the kernel: 1 to 5 lowercase letters and digits, a letter first. */
  readonly tag: string;
  /** Port of the resolver on the gateway bridge; 53 when absent. */
  readonly resolverPort?: number;
  /** MTU of tasks' gateway legs, bytes; the kernel's 1500 when absent. */
  readonly gatewayMtu?: number;
  /** nftables when absent. */
  readonly balancer?: Balancer;
}

/**
 * What a node's network must be, given the facts; order in the facts has no meaning. Throws an "invalid" Fault
 * for a bad tag, subnet or address.
 */
export function planNetwork(facts: NetworkFacts, settings: PlanSettings): NodeNetwork {
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
    const balancing = (settings.balancer ?? nftBalancer)(balancingOf(names, survey, gateway));
    const sandbox = networkSandbox(names, facts.self, survey, balancing);
    const mesh = survey === ingress ? [meshPart(names, survey, gateway, HOST)] : [];
    return [sandboxNameOf(survey.network.id), merge([sandbox, ...mesh])] as const;
  });
  const own = tasks.map(
    (task) =>
      [netnsNameOf(task.task.taskId), taskSandbox(names, task, gateway, { host: HOST, ...common })] as const,
  );
  const host = hostPart(names, { facts, tasks, ingress, gateway, ...common });
  return { namespaces: { [HOST]: host, ...Object.fromEntries(sandboxes), ...Object.fromEntries(own) } };
}

function balancingOf(names: Names, survey: Survey, gateway: GatewayLayout): Balancing {
  return {
    table: names.table("lb"),
    address: survey.address,
    virtual: survey.services.flatMap(({ id: serviceId, vip, backends }) =>
      vip === undefined ? [] : [{ serviceId, vip, backends }],
    ),
    published: survey.services.flatMap(({ id: serviceId, ports, backends }) =>
      ports.map(
        (port): PublishedService => ({
          serviceId,
          port,
          link: names.hostLeg,
          address: gateway.meshSandbox,
          backends,
        }),
      ),
    ),
    tasks: survey.legs.filter((leg) => leg.routed).map((leg) => leg.address),
  };
}

/** Two shares of one namespace as one. */
function merge(parts: readonly Namespace[]): Namespace {
  return {
    links: parts.flatMap((part) => part.links),
    addresses: parts.flatMap((part) => part.addresses),
    routes: parts.flatMap((part) => part.routes),
    rules: parts.flatMap((part) => part.rules),
    neighbours: parts.flatMap((part) => part.neighbours),
    fdb: parts.flatMap((part) => part.fdb),
    sysctls: Object.assign({}, ...parts.map((part) => part.sysctls)),
    tables: parts.flatMap((part) => part.tables),
  };
}
