import { type NetworkFact, type NetworkFacts, netnsNameOf } from "../dataplane/index.ts";
import { HOST } from "../netstate/index.ts";
import { isIn } from "./blocks.ts";

/** A task as one says it: "web.1"; its id when it has no other name here. */
export interface NamedTask {
  readonly taskId: string;
  readonly nodeId: string;
  readonly name: string;
}

/** Every task that this node knows of. */
export function tasksOf(facts: NetworkFacts): NamedTask[] {
  const names = new Map(facts.endpoints.map(({ taskId, name }) => [taskId, shortened(name)]));
  const services = new Map(facts.services.map(({ id, name }) => [id, name]));
  const own = facts.tasks.map(({ taskId, serviceId }) => {
    const service = services.get(serviceId);
    return {
      taskId,
      nodeId: facts.self.nodeId,
      name: service === undefined ? taskId : `${service} (${taskId})`,
    };
  });
  const others = [...facts.attachments, ...facts.endpoints].map(({ taskId, nodeId }) => ({
    taskId,
    nodeId,
    name: taskId,
  }));
  const all = new Map([...others, ...own].map((task) => [task.taskId, task]));
  return [...all.values()].map((task) => ({ ...task, name: names.get(task.taskId) ?? task.name }));
}

/** "web.1" of "web.1.<task id>". */
const shortened = (name: string): string => name.split(".").slice(0, -1).join(".") || name;

/** A namespace as a person calls it. */
export function placeOf(facts: NetworkFacts, namespace: string): string {
  if (namespace === HOST) return "host";
  const network = facts.networks.find(({ id }) => namespace === `net-${id}`);
  if (network !== undefined) return `sandbox of ${network.name}`;
  const task = tasksOf(facts).find(({ taskId }) => namespace === netnsNameOf(taskId));
  return task === undefined ? namespace : `task ${task.name}`;
}

/** Who has an address of an overlay network: "VIP of web on front", "web.2 on front". */
export function ownerOf(facts: NetworkFacts, address: string): string | undefined {
  const network = networkWith(facts, address);
  if (network === undefined) return undefined;
  const service = facts.services.find(({ vips, vips6 = {} }) =>
    [vips[network.id], vips6[network.id]].includes(address),
  );
  if (service !== undefined) return `VIP of ${service.name} on ${network.name}`;
  const rows = [...facts.attachments, ...facts.endpoints, ...facts.tasks];
  const row = rows.find(({ addresses, addresses6 = {} }) =>
    [addresses[network.id], addresses6[network.id]].includes(address),
  );
  const task = tasksOf(facts).find(({ taskId }) => taskId === row?.taskId);
  return task === undefined ? undefined : `${task.name} on ${network.name}`;
}

/** The overlay network whose subnet an address is of. */
export function networkWith(facts: NetworkFacts, address: string): NetworkFact | undefined {
  return facts.networks.find(
    ({ subnet, v6 }) => isIn(address, subnet) || (v6 !== undefined && isIn(address, v6.subnet)),
  );
}

/** What one calls a node: its address, and its id when there is no better. */
export function nodeAt(facts: NetworkFacts, dataPathAddress: string): string | undefined {
  return facts.nodes.find((node) => node.dataPathAddress === dataPathAddress)?.id;
}

export function addressOfNode(facts: NetworkFacts, nodeId: string): string {
  return facts.nodes.find(({ id }) => id === nodeId)?.dataPathAddress ?? nodeId;
}
