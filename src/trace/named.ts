import type { EndpointFact, NetworkFact, NetworkFacts, ServiceFact } from "../dataplane/index.ts";

/** How a name is answered on one network. */
interface Answer {
  readonly network: NetworkFact;
  readonly addresses: readonly string[];
  readonly isVip: boolean;
  /** Ids of the services that are called so. */
  readonly services: readonly string[];
  /** Nobody is behind the VIPs. */
  readonly idle: boolean;
}

export const nameIs = (full: string, name: string): boolean => full === name || full.startsWith(`${name}.`);

/**
 * The answer that the resolver gives (dns/zone.ts): on the first network that has one; and while nobody of a service is there yet, on the
 * one where its tasks are. A network's own name may stand behind.
 */
export function answerOf(
  facts: NetworkFacts,
  networks: readonly NetworkFact[],
  name: string,
  byVip: boolean,
): Answer | undefined {
  const answers = networks.flatMap((network) => answerOn(facts, network, name, byVip) ?? []);
  const [first, ...others] = answers;
  if (first === undefined) {
    const dot = name.lastIndexOf(".");
    const network = networks.find((one) => one.name === name.slice(dot + 1));
    return dot > 0 && network ? answerOn(facts, network, name.slice(0, dot), byVip) : undefined;
  }
  const isServing = ({ idle, services }: Answer) =>
    !idle && services.some((id) => first.services.includes(id));
  return (first.idle ? others.find(isServing) : undefined) ?? first;
}

function answerOn(
  facts: NetworkFacts,
  network: NetworkFact,
  name: string,
  byVip: boolean,
): Answer | undefined {
  const services = servicesCalled(facts, network.id, name);
  const vips = byVip ? services.flatMap(({ vips }) => vips[network.id] ?? []) : [];
  const tasks = services.flatMap(({ id }) => endpointsOf(facts, network.id, id));
  const ids = services.map(({ id }) => id);
  if (vips.length > 0)
    return { network, addresses: vips, isVip: true, services: ids, idle: tasks.length === 0 };
  const named = facts.endpoints.filter((row) => nameIs(row.name, name));
  const all = [...tasks, ...named].flatMap(({ addresses }) => addresses[network.id] ?? []);
  const addresses = all.length > 0 ? [...new Set(all)] : guestsCalled(facts, name, network.id);
  return addresses.length === 0
    ? undefined
    : { network, addresses, isVip: false, services: ids, idle: false };
}

/** Whose own name it is, else who has it as an alias there: of those, whose tasks take traffic, if any do. */
function servicesCalled(facts: NetworkFacts, networkId: string, name: string): ServiceFact[] {
  const own = facts.services.filter((row) => row.name === name || row.id === name);
  if (own.length > 0) return own;
  const called = facts.services.filter((row) => row.aliases[networkId]?.includes(name));
  const serving = called.filter(({ id }) => endpointsOf(facts, networkId, id).length > 0);
  return serving.length > 0 ? serving : called;
}

function endpointsOf({ endpoints }: NetworkFacts, networkId: string, serviceId: string): EndpointFact[] {
  return endpoints.filter((row) => row.serviceId === serviceId && row.addresses[networkId] !== undefined);
}

/** Addresses of containers made by hand that are called so on the network. */
function guestsCalled({ guests = [] }: NetworkFacts, name: string, networkId: string): string[] {
  const called = guests.filter(({ names }) => names[networkId]?.includes(name));
  return called.flatMap(({ addresses }) => addresses[networkId] ?? []);
}
