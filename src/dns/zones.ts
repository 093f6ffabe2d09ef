import {
  type BridgeFact,
  type EndpointFact,
  type GuestFact,
  type NetworkFact,
  type NetworkFacts,
  type ServiceFact,
  type SideFact,
  sideOf,
  type TaskFact,
} from "../dataplane/index.ts";
import { subnetsOf } from "../lib/index.ts";
import { type NetworkNames, plainName, type Standing, type Zone } from "./zone.ts";

/** What names are made of. Keys of encrypted networks are not. */
export type NameFacts = Pick<
  NetworkFacts,
  "self" | "networks" | "services" | "endpoints" | "guests" | "tasks" | "bridges"
>;

/** What each task of this node may know of names, as one value of the facts has it. Built as it is asked for. */
export class Zones {
  readonly facts: NameFacts;
  readonly #tasks: ReadonlyMap<string, TaskFact>;
  readonly #networks: ReadonlyMap<string, NetworkFact>;
  readonly #bridges: ReadonlyMap<string, BridgeFact>;
  readonly #endpoints: ReadonlyMap<string, readonly EndpointFact[]>;
  readonly #names = new Map<string, NetworkNames>();
  readonly #zones = new Map<string, Zone>();

  constructor(facts: NameFacts) {
    this.facts = facts;
    this.#tasks = new Map(facts.tasks.map((task) => [task.gatewayAddress, task]));
    this.#networks = new Map(facts.networks.filter(({ ingress }) => !ingress).map((n) => [n.id, n]));
    this.#bridges = new Map(facts.bridges?.map((bridge) => [bridge.id, bridge]));
    const endpoints = new Map<string, EndpointFact[]>();
    for (const endpoint of facts.endpoints) {
      const others = endpoints.get(endpoint.serviceId);
      if (others === undefined) endpoints.set(endpoint.serviceId, [endpoint]);
      else others.push(endpoint);
    }
    this.#endpoints = endpoints;
  }

  /**
   * The names of the networks that the task with this address on the gateway bridge is on, in its own order, and of no other.
   * Undefined for an address that is no task's.
   */
  zoneOf(gatewayAddress: string): Zone | undefined {
    const task = this.#tasks.get(gatewayAddress);
    if (task === undefined) return undefined;
    const known = this.#zones.get(task.taskId);
    if (known !== undefined) return known;
    const overlays = Object.keys(task.addresses).flatMap((id) => this.#networks.get(id) ?? []);
    const bridges = Object.keys(task.bridges ?? {}).flatMap((id) => this.#bridges.get(id) ?? []);
    const on = [...overlays, ...bridges];
    const forwards = on.length === 0 || on.some((network) => !network.internal);
    const networks = [
      ...overlays.map((network) => this.#namesOn(network)),
      ...bridges.filter(({ named }) => named).map((bridge) => this.#namesOnBridge(bridge)),
    ];
    const upstreams = task.nameservers;
    const own = upstreams === undefined ? {} : { upstreams };
    const zone = { networks, forwards, ...own };
    this.#zones.set(task.taskId, zone);
    return zone;
  }

  /** Containers made by hand, and nobody else. */
  #namesOnBridge({ id, name, subnet, v6 }: BridgeFact): NetworkNames {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const places = this.facts.tasks.flatMap(({ bridges }) => bridges?.[id] ?? []);
    const six = places.flatMap(({ names, address6: address }) =>
      address === undefined ? [] : [{ names, address }],
    );
    const names: NetworkNames = {
      ...{ name: plainName(name), subnets: v6 === undefined ? [subnet] : [subnet, v6.subnet] },
      addresses: addressesByGuest(places),
      names: namesByAddress([], [...places, ...six], { name }),
      ...(v6 !== undefined && { addresses6: addressesByGuest(six) }),
    };
    this.#names.set(id, names);
    return names;
  }

  #namesOn(network: NetworkFact): NetworkNames {
    const known = this.#names.get(network.id);
    if (known !== undefined) return known;
    const side = sideOf(this.facts.self, network);
    const members = this.facts.services.flatMap((s) => membersOf(s, this.#endpoints, network.id));
    const members6 = side === undefined ? [] : members.map((m) => member6(m, this.#endpoints, network.id));
    const guests = guestsOn(this.facts, network.id, ({ addresses }) => addresses[network.id]);
    const guests6 = guestsOn(this.facts, network.id, ({ addresses6 }) => addresses6?.[network.id]);
    let byAddress: ReadonlyMap<string, string> | undefined;
    let standing: Standing | undefined;
    const names: NetworkNames = {
      name: plainName(network.name),
      subnets: [network, ...(side === undefined ? [] : [side])].flatMap((of: SideFact) =>
        subnetsOf(of).map(({ subnet }) => subnet),
      ),
      addresses: addressesByName(members, guests, network.id),
      // Half of the work, and few ask for it.
      get names() {
        byAddress ??= namesByAddress([...members, ...members6], [...guests, ...guests6], network);
        return byAddress;
      },
      // Only askers on several networks need it.
      get standing() {
        standing ??= standingOf(members, network.id);
        return standing;
      },
      ...(side !== undefined && { addresses6: addressesByName(members6, guests6, network.id) }),
    };
    this.#names.set(network.id, names);
    return names;
  }
}

/** A service on one network, by its addresses of one family there. Its front is its VIP, or its tasks where it has none by its own wish. */
interface Member {
  readonly service: ServiceFact;
  readonly vip: string | undefined;
  readonly front: readonly string[];
  readonly tasks: readonly { readonly name: string; readonly address: string }[];
}

type Endpoints = ReadonlyMap<string, readonly EndpointFact[]>;

function membersOf(service: ServiceFact, endpoints: Endpoints, network: string): Member[] {
  const vip = service.vips[network];
  const tasks = tasksOf(service, endpoints, ({ addresses }) => addresses[network]);
  const isOn = vip !== undefined || service.aliases[network] !== undefined || tasks.length > 0;
  const front = vip === undefined ? tasks.map(({ address }) => address) : [vip];
  return isOn ? [{ service, vip, front, tasks }] : [];
}

/** The same member by IPv6, so that a name is of the same service in both families. A VIP of IPv4 alone has no IPv6 front. */
function member6({ service, vip }: Member, endpoints: Endpoints, network: string): Member {
  const vip6 = service.vips6?.[network];
  const tasks = tasksOf(service, endpoints, ({ addresses6 }) => addresses6?.[network]);
  const own = vip === undefined ? tasks.map(({ address }) => address) : [];
  return { service, vip: vip6, front: vip6 === undefined ? own : [vip6], tasks };
}

function tasksOf(
  service: ServiceFact,
  endpoints: Endpoints,
  addressOf: (endpoint: EndpointFact) => string | undefined,
): Member["tasks"] {
  return (endpoints.get(service.id) ?? []).flatMap((endpoint) => {
    const address = addressOf(endpoint);
    return address === undefined ? [] : [{ name: endpoint.name, address }];
  });
}

/** A container made by hand on one network, by its address of one family there. Its own name is the first. */
interface NamedGuest {
  readonly names: readonly string[];
  readonly address: string;
}

function guestsOn(
  { guests = [] }: NameFacts,
  network: string,
  addressOf: (guest: GuestFact) => string | undefined,
): NamedGuest[] {
  return guests.flatMap((guest) => {
    const address = addressOf(guest);
    return address === undefined ? [] : [{ names: guest.names[network] ?? [], address }];
  });
}

/** By which names tasks take traffic, and which lead to VIPs alone. The others are lists, empty when nobody does. */
function standingOf(members: readonly Member[], network: string): Standing {
  const serving = new Map<string, readonly string[]>();
  const idle = new Map<string, readonly string[]>();
  for (const { service, vip, tasks } of members) {
    if (tasks.length === 0 && vip === undefined) continue;
    const of = tasks.length > 0 ? serving : idle;
    for (const name of new Set([service.name, ...(service.aliases[network] ?? [])].map(plainName)))
      of.set(name, [...(of.get(name) ?? []), service.id]);
  }
  for (const name of serving.keys()) idle.delete(name);
  return { serving, idle };
}

/**
 * A name given first stands: services before aliases, which services may share, before tasks, before containers made by hand. Of those that
 * share an alias only the ones whose tasks take traffic answer, if any do.
 */
function addressesByName(
  members: readonly Member[],
  guests: readonly NamedGuest[],
  network: string,
): Map<string, readonly string[]> {
  const names = new Map<string, readonly string[]>();
  const add = (name: string, addresses: readonly string[]) => {
    const key = plainName(name);
    if (!names.has(key)) names.set(key, addresses);
  };
  const all = ({ tasks }: Member) => tasks.map(({ address }) => address);
  for (const member of members) add(member.service.name, member.front);
  for (const member of members) add(`tasks.${member.service.name}`, all(member));
  const shared = new Map<string, readonly Member[]>();
  for (const member of members)
    for (const alias of new Set(member.service.aliases[network]?.map(plainName)))
      shared.set(alias, [...(shared.get(alias) ?? []), member]);
  for (const [alias, of] of shared) {
    const serving = of.filter(({ tasks }) => tasks.length > 0);
    add(
      alias,
      (serving.length > 0 ? serving : of).flatMap(({ front }) => front),
    );
    add(`tasks.${alias}`, serving.flatMap(all));
  }
  for (const { name, address } of members.flatMap(({ tasks }) => tasks)) add(name, [address]);
  for (const [name, addresses] of addressesByGuest(guests)) add(name, addresses);
  return names;
}

/** Containers may share names: each name is of all that have it. */
function addressesByGuest(guests: readonly NamedGuest[]): Map<string, readonly string[]> {
  const shared = new Map<string, readonly string[]>();
  for (const { names, address } of guests)
    for (const name of new Set(names.map(plainName)))
      shared.set(name, [...(shared.get(name) ?? []), address]);
  return shared;
}

function namesByAddress(
  members: readonly Member[],
  guests: readonly NamedGuest[],
  network: Pick<NetworkFact, "name">,
): Map<string, string> {
  const names = new Map<string, string>();
  for (const { service, vip, tasks } of members) {
    if (vip !== undefined) names.set(vip, `${service.name}.${network.name}`);
    for (const { name, address } of tasks) names.set(address, `${name}.${network.name}`);
  }
  for (const { names: own, address } of guests) names.set(address, `${own[0] ?? address}.${network.name}`);
  return names;
}
