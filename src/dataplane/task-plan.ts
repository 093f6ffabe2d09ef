import { address6Of, embed, sideOf } from "./addresses6.ts";
import type { NetworkFact, NetworkFacts, NodeSettings, TaskFact } from "./facts.ts";
import { sortBy } from "./ordered-list.ts";
import type { TaskLeg, TaskPlan } from "./task-sandbox.ts";

/**
 * The local tasks with their devices named: eth0 up, in order of network id, the ingress network after the others,
 * the gateway leg last. A task's networks never change, so its names do not either.
 */
export function planTasks(facts: NetworkFacts): TaskPlan[] {
  const onNode = facts.nodes.find((node) => node.id === facts.self.nodeId)?.addresses ?? {};
  const networks = new Map(facts.networks.map((network) => [network.id, network]));
  const ground = { self: facts.self, networks, onNode };
  return sortBy(facts.tasks, (task) => task.taskId).map((task) => planTask(task, ground));
}

interface Ground {
  readonly self: NodeSettings;
  readonly networks: ReadonlyMap<string, NetworkFact>;
  readonly onNode: Readonly<Record<string, string>>;
}

function planTask(task: TaskFact, { self, networks, onNode }: Ground): TaskPlan {
  const ids = sortBy(Object.keys(task.addresses), (id) => `${networks.get(id)?.ingress ? 1 : 0}${id}`);
  const legs = ids.flatMap((id, i): TaskLeg[] => {
    const network = networks.get(id);
    const address = task.addresses[id];
    if (network === undefined || address === undefined || onNode[id] === undefined) return [];
    const six = sixOf(self, task, network);
    return [{ ethernet: `eth${i}`, address, network, ...(six !== undefined && { six }) }];
  });
  const isolated = ids.length > 0 && ids.every((id) => networks.get(id)?.internal ?? false);
  const isDual = legs.some(({ six }) => six !== undefined) || (self.ipv6 && task.hostPorts.length > 0);
  return {
    task,
    legs,
    gatewayEthernet: `eth${ids.length}`,
    isolated,
    ...(isDual && !isolated && { gatewayAddress6: embed("gateway", task.gatewayAddress) }),
  };
}

function sixOf(self: NodeSettings, task: TaskFact, network: NetworkFact): TaskLeg["six"] {
  const side = sideOf(self, network);
  const address = address6Of(task, network);
  return side === undefined || address === undefined ? undefined : { address, ...side };
}
