import type { NetworkFact, NetworkFacts, TaskFact } from "../dataplane/index.ts";
import { plainName, type Zone } from "../dns/index.ts";

/**
 * What the task with this address on the gateway bridge may know: the names of the networks it is on, and of no other.
 * Of a name on several of its networks the first network's addresses count, in order of network id, ingress never.
 * Undefined for an address that is no task's.
 */
export function zoneFor(facts: NetworkFacts, gatewayAddress: string): Zone | undefined {
  const task = facts.tasks.find((t) => t.gatewayAddress === gatewayAddress);
  if (task === undefined) return undefined;
  const networks = networksOf(facts, task);
  const names = new Map<string, readonly string[]>();
  const reverse = new Map<string, string>();
  for (const network of networks) addNetwork(facts, network, names, reverse);
  const forwards = networks.length === 0 || networks.some((network) => !network.internal);
  return { names, reverse, forwards };
}

function networksOf(facts: NetworkFacts, task: TaskFact): NetworkFact[] {
  return facts.networks
    .filter((network) => !network.ingress && task.addresses[network.id] !== undefined)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

function addNetwork(
  facts: NetworkFacts,
  network: NetworkFact,
  names: Map<string, readonly string[]>,
  reverse: Map<string, string>,
): void {
  const add = (name: string, addresses: readonly string[]) => {
    const key = plainName(name);
    if (addresses.length > 0 && !names.has(key)) names.set(key, addresses);
  };
  const { id } = network;
  const shared = new Map<string, string[]>();
  for (const service of facts.services) {
    const vip = service.vips[id];
    const aliases = service.aliases[id];
    if (vip === undefined && aliases === undefined) continue;
    const tasks = facts.endpoints.filter((endpoint) => endpoint.serviceId === service.id);
    const addresses = tasks.flatMap((endpoint) => endpoint.addresses[id] ?? []);
    const front = vip === undefined ? addresses : [vip];
    add(service.name, front);
    add(`tasks.${service.name}`, addresses);
    if (vip !== undefined) reverse.set(vip, `${service.name}.${network.name}`);
    for (const alias of aliases ?? []) shared.set(alias, [...(shared.get(alias) ?? []), ...front]);
  }
  // Services may share an alias; a service's own name goes before anybody's alias.
  for (const [alias, addresses] of shared) add(alias, addresses);
  for (const endpoint of facts.endpoints) {
    const address = endpoint.addresses[id];
    if (address === undefined) continue;
    add(endpoint.name, [address]);
    reverse.set(address, `${endpoint.name}.${network.name}`);
  }
}
