import { remembered } from "../lib/index.ts";
import { address6Of, embed, fits6, sideOf } from "./addresses6.ts";
import { bridgeLegs, bridgeSide6 } from "./bridges.ts";
import type { BridgeFact, NetworkFact, NetworkFacts, NodeSettings, ServiceFact, TaskFact } from "./facts.ts";
import { FIXED_GATEWAY_LEG } from "./names.ts";
import { sortBy } from "./ordered-list.ts";
import type { TaskLeg, TaskPlan } from "./task-plan.ts";

/**
 * The local tasks with their devices named: eth0 up, in order of network id, the ingress network after the others,
 * the gateway leg last. A task's networks never change, so its names do not either. A container made by hand says its devices' names.
 */
export function planTasks(facts: NetworkFacts, gatewayMtu: number | undefined): TaskPlan[] {
  const onNode = facts.nodes.find((node) => node.id === facts.self.nodeId)?.addresses ?? {};
  const networks = new Map(facts.networks.map((network) => [network.id, network]));
  const bridges = new Map(facts.bridges?.map((bridge) => [bridge.id, knownBridge(facts.self, bridge)]));
  const datagrams = publishersOfUdp(facts.services);
  const ground = { self: facts.self, networks, bridges, onNode, datagrams, gatewayMtu };
  return sortBy(facts.tasks, (task) => task.taskId).map((task) => planTask(task, ground));
}

interface Ground {
  readonly self: NodeSettings;
  readonly networks: ReadonlyMap<string, NetworkFact>;
  readonly bridges: ReadonlyMap<string, BridgeFact>;
  readonly onNode: Readonly<Record<string, string>>;
  /** Services that publish a UDP port. */
  readonly datagrams: ReadonlySet<string>;
  /** Of every gateway leg, at most. */
  readonly gatewayMtu: number | undefined;
}

const publishesUdp = ({ ports }: ServiceFact): boolean => ports.some(({ protocol }) => protocol === "udp");
const publishersOfUdp = remembered(
  (services: readonly ServiceFact[]): ReadonlySet<string> =>
    new Set(services.filter(publishesUdp).map(({ id }) => id)),
);

/** Without what the node cannot carry. */
function knownBridge(self: NodeSettings, bridge: BridgeFact): BridgeFact {
  const { v6: _, ...four } = bridge;
  const v6 = bridgeSide6(self, bridge);
  return { ...four, ...(v6 !== undefined && { v6 }) };
}

function planTask(task: TaskFact, ground: Ground): TaskPlan {
  const { self, networks, bridges, onNode, datagrams } = ground;
  const ids = sortBy(Object.keys(task.addresses), (id) => `${networks.get(id)?.ingress ? 1 : 0}${id}`);
  const legs = ids.flatMap((id, i): TaskLeg[] => {
    const network = networks.get(id);
    const address = task.addresses[id];
    if (network === undefined || address === undefined || onNode[id] === undefined) return [];
    const six = sixOf(self, task, network);
    return [
      { ethernet: task.devices?.[id] ?? `eth${i}`, address, network, ...(six !== undefined && { six }) },
    ];
  });
  const local = bridgeLegs(task, bridges);
  const on = [...ids, ...Object.keys(task.bridges ?? {})];
  const isInternal = (id: string) => (networks.get(id) ?? bridges.get(id))?.internal ?? false;
  // A container that was taken off all of its networks has no way out either.
  const isolated = (on.length > 0 || task.devices !== undefined) && on.every(isInternal);
  const isDual =
    legs.some(({ six }) => six !== undefined) ||
    local.some(({ bridge, place }) => bridge.v6 !== undefined && place.address6 !== undefined) ||
    (self.ipv6 && task.hostPorts.length > 0);
  const gatewayMtu = leastOf([ground.gatewayMtu, ...local.map(({ bridge }) => bridge.mtu)]);
  return {
    task,
    legs,
    bridgeLegs: local,
    gatewayEthernet: task.devices === undefined ? `eth${ids.length}` : FIXED_GATEWAY_LEG,
    isolated,
    takesDatagrams: datagrams.has(task.serviceId),
    ...(gatewayMtu !== undefined && { gatewayMtu }),
    ...(isDual &&
      !isolated &&
      fits6(gatewayMtu) && { gatewayAddress6: embed("gateway", task.gatewayAddress) }),
  };
}

function leastOf(mtus: readonly (number | undefined)[]): number | undefined {
  const said = mtus.filter((mtu) => mtu !== undefined);
  return said.length === 0 ? undefined : Math.min(...said);
}

function sixOf(self: NodeSettings, task: TaskFact, network: NetworkFact): TaskLeg["six"] {
  const side = sideOf(self, network);
  const address = address6Of(task, network);
  return side === undefined || address === undefined ? undefined : { address, ...side };
}
