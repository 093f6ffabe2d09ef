import type { NetworkFact, NetworkFacts, TaskFact } from "./facts.ts";
import { sortBy } from "./survey.ts";
import type { TaskPlan } from "./task-sandbox.ts";

/**
 * The local tasks with their devices named: eth0 up, in order of network id, the ingress network after the others,
 * the gateway leg last. A task's networks never change, so its names do not either.
 */
export function planTasks(facts: NetworkFacts): TaskPlan[] {
  const onNode = facts.nodes.find((node) => node.id === facts.self.nodeId)?.addresses ?? {};
  const networks = new Map(facts.networks.map((network) => [network.id, network]));
  return sortBy(facts.tasks, (task) => task.taskId).map((task) => planTask(task, networks, onNode));
}

function planTask(
  task: TaskFact,
  networks: ReadonlyMap<string, NetworkFact>,
  onNode: Readonly<Record<string, string>>,
): TaskPlan {
  const ids = sortBy(Object.keys(task.addresses), (id) => `${networks.get(id)?.ingress ? 1 : 0}${id}`);
  const legs = ids.flatMap((id, i) => {
    const network = networks.get(id);
    const address = task.addresses[id];
    if (network === undefined || address === undefined || onNode[id] === undefined) return [];
    return [{ ethernet: `eth${i}`, address, network }];
  });
  const isolated = ids.length > 0 && ids.every((id) => networks.get(id)?.internal ?? false);
  return { task, legs, gatewayEthernet: `eth${ids.length}`, isolated };
}
