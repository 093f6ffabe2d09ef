import { type NetworkFact, type NetworkFacts, netnsNameOf, type SideFact } from "../dataplane/index.ts";
import { isWithin, remembered, subnetsOf } from "../lib/index.ts";
import { HOST } from "../netstate/index.ts";

/** A task as one says it: "web.1"; its id when it has no other name here. */
export interface NamedTask {
  readonly taskId: string;
  readonly nodeId: string;
  readonly name: string;
}

/** Names by what they are names of: made once for facts that are asked for many. */
interface Directory {
  readonly tasks: readonly NamedTask[];
  readonly places: ReadonlyMap<string, string>;
  readonly owners: ReadonlyMap<string, string>;
}

const directoryOf = remembered((facts: NetworkFacts): Directory => {
  const tasks = allTasks(facts);
  return { tasks, places: placesOf(facts, tasks), owners: ownersOf(facts, tasks) };
});

/** Every task that this node knows of. */
export const tasksOf = (facts: NetworkFacts): readonly NamedTask[] => directoryOf(facts).tasks;

function allTasks(facts: NetworkFacts): NamedTask[] {
  const names = new Map([
    ...facts.endpoints.map(({ taskId, name }) => [taskId, shortened(name)] as const),
    ...guestNames(facts),
  ]);
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

/** Containers made by hand on overlays, by their own names. */
function guestNames({ guests = [] }: NetworkFacts): ReadonlyMap<string, string> {
  return new Map(guests.map(({ id, names }) => [id, Object.values(names)[0]?.[0] ?? id]));
}

/** "web.1" of "web.1.<task id>". */
const shortened = (name: string): string => name.split(".").slice(0, -1).join(".") || name;

/** A namespace as a person calls it. */
export const placeOf = (facts: NetworkFacts, namespace: string): string =>
  directoryOf(facts).places.get(namespace) ?? namespace;

function placesOf(facts: NetworkFacts, tasks: readonly NamedTask[]): Map<string, string> {
  const byHand = guestNames(facts);
  const what = (taskId: string) => (byHand.has(taskId) ? "container" : "task");
  return new Map([
    [HOST, "host"],
    ...facts.networks.map(({ id, name }): [string, string] => [`net-${id}`, `sandbox of ${name}`]),
    ...tasks.map(({ taskId, name }): [string, string] => [netnsNameOf(taskId), `${what(taskId)} ${name}`]),
  ]);
}

/** Who has an address of an overlay network: "VIP of web on front", "web.2 on front". */
export function ownerOf(facts: NetworkFacts, address: string): string | undefined {
  const network = networkWith(facts, address);
  return network && directoryOf(facts).owners.get(`${network.id} ${address}`);
}

/** By network id and address. */
function ownersOf(facts: NetworkFacts, tasks: readonly NamedTask[]): Map<string, string> {
  const networks = new Map(facts.networks.map(({ id, name }) => [id, name]));
  const names = new Map(tasks.map(({ taskId, name }) => [taskId, name]));
  const owners = new Map<string, string>();
  const put = (addresses: Readonly<Record<string, string>> = {}, who: string) => {
    for (const [id, address] of Object.entries(addresses))
      owners.set(`${id} ${address}`, `${who} on ${networks.get(id) ?? id}`);
  };
  for (const row of [...facts.attachments, ...facts.endpoints, ...facts.tasks]) {
    const name = names.get(row.taskId) ?? row.taskId;
    put(row.addresses, name);
    put(row.addresses6, name);
  }
  for (const { name, vips, vips6 } of facts.services) {
    put(vips, `VIP of ${name}`);
    put(vips6, `VIP of ${name}`);
  }
  return owners;
}

/** The overlay network whose subnet an address is of. */
export function networkWith(facts: NetworkFacts, address: string): NetworkFact | undefined {
  const isOn = (side: SideFact) => subnetsOf(side).some(({ subnet }) => isWithin(address, subnet));
  return facts.networks.find((network) => isOn(network) || (network.v6 !== undefined && isOn(network.v6)));
}

/** What one calls a node: its address, and its id when there is no better. */
export function nodeAt(facts: NetworkFacts, dataPathAddress: string): string | undefined {
  return facts.nodes.find((node) => node.dataPathAddress === dataPathAddress)?.id;
}

export function addressOfNode(facts: NetworkFacts, nodeId: string): string {
  return facts.nodes.find(({ id }) => id === nodeId)?.dataPathAddress ?? nodeId;
}
