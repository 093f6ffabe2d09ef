import { addressUse, grantNetwork } from "../../allocator/index.ts";
import { encryptedMtu, LEAST_MTU6, RESERVED_BLOCKS } from "../../dataplane/index.ts";
import {
  contains,
  contains6,
  Fault,
  type Ipv4,
  type Ipv6,
  isIpv6,
  newId,
  parseCidr,
  parseCidr6,
  parseIpv4,
  parseIpv6,
  subnetsOf,
} from "../../lib/index.ts";
import {
  type AddressUse,
  type Change,
  ENCRYPTED_OPTION,
  type IpamConfig,
  isEncrypted,
  isWanted,
  type Network,
  type NetworkSide,
  type NetworkSpec,
  type NetworkState,
  newMeta,
  type OwnSubnet,
  put,
  ROTATION_OPTION,
  remove,
  rotationOf,
  SCHEDULER_OPTION,
  SCHEDULERS,
  shortId,
  type Task,
} from "../../model/index.ts";
import type { View } from "../../store/index.ts";
import { isAway } from "../assignments.ts";
import { requireByRef } from "./find.ts";
import type { ControlParts } from "./parts.ts";
import { write } from "./write.ts";

/** Overlay networks as the user speaks of them. */
export class NetworkControl {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  list(): Network[] {
    return [...this.#parts.store.view.all("network")];
  }

  get(ref: string): Network {
    return requireByRef(this.#parts.store.view, "network", ref);
  }

  /** How full its subnets are. */
  addressUse(network: Network): AddressUse[] {
    return addressUse(this.#parts.store.view, network);
  }

  /** Stores a new network. Faults: "exists" for the name, "invalid" for its words, "forbidden" for an overlap. */
  async create(spec: NetworkSpec): Promise<Network> {
    const { store, clock, random, ownSubnets = [] } = this.#parts;
    const id = newId(random);
    await write(store, (view) => {
      checkNetwork(view, spec, ownSubnets);
      // The subnet is granted here already, so that an overlap is the caller's error and not a later surprise.
      const grant = grantNetwork(view, spec, [...view.all("network")], ownSubnets);
      if ("error" in grant)
        throw new Fault("forbidden", `cannot create network ${spec.name}: ${grant.error}`);
      // Their versions guard: the leader must not give one that waits, at the same moment, the same VNI.
      const waiting = [...view.all("network")].filter(({ state }) => state === undefined);
      const made = { ...newMeta(id, clock.now()), spec, state: grant.state };
      return [made, ...waiting].map((network) => put("network", network));
    });
    return this.get(id);
  }

  /** Fault "precondition" while a service, a task or a container made by hand is on it. */
  async remove(ref: string): Promise<void> {
    await write(this.#parts.store, (view) => {
      const network = requireByRef(view, "network", ref);
      const user = userOf(view, network);
      if (user !== undefined) {
        const what = `network ${network.id} is in use by ${user}`;
        throw new Fault("precondition", `rpc error: code = FailedPrecondition desc = ${what}`);
      }
      return [remove("network", network), ...withoutGuests(view, network.id)];
    });
  }
}

function userOf(view: View, network: Network): string | undefined {
  for (const service of view.all("service")) {
    const ingress =
      network.spec.ingress && service.spec.endpoint.ports.some((p) => p.publishMode === "ingress");
    if (ingress || service.spec.task.networks.some((n) => n.target === network.id))
      return `service ${service.id}`;
  }
  for (const task of view.tasksByNetwork(network.id)) if (holds(view, task)) return `task ${task.id}`;
  for (const { id, nodeId, spec } of view.guestsByNetwork(network.id))
    if (!isAway(view, nodeId)) return `container ${spec.name} (${shortId(id)}) on node ${nodeId}`;
  return undefined;
}

/**
 * As swarmkit has it, a task that is on its way out holds no network: `docker stack rm` removes networks right behind
 * services. Nor does one on a node that is down, which cannot say that it has stopped.
 */
function holds(view: View, task: Task): boolean {
  const goes = !isWanted(task) || view.get("service", task.serviceId) === undefined;
  const node = task.nodeId === undefined ? undefined : view.get("node", task.nodeId);
  return task.status.state === "running" && !goes && node?.status.state !== "down";
}

/** Guests of nodes that are down hold no network, and find it gone when they come back. */
function withoutGuests(view: View, networkId: string): Change[] {
  return [...view.guestsByNetwork(networkId)].map((guest) => {
    const networks = guest.spec.networks.filter(({ target }) => target !== networkId);
    const attachments = guest.attachments.filter((each) => each.networkId !== networkId);
    if (networks.length === 0) return remove("guest", guest);
    return put("guest", { ...guest, spec: { ...guest.spec, networks }, attachments });
  });
}

/** Networks that every Docker node has of its own. */
const PREDEFINED: ReadonlySet<string> = new Set(["bridge", "host", "none", "default"]);

const MTU_OPTION = "com.docker.network.driver.mtu";
/** The least that IPv4 must carry (RFC 791; IPv6 more) with the envelope around it; the most that a device can be told. */
const ENVELOPE = 50;
const MTU_RANGE = { least: 68 + ENVELOPE, most: 65_535 } as const;

function checkOptions(spec: NetworkSpec): void {
  const { driverOptions, ipv6 = false } = spec;
  const isDark = isEncrypted(spec);
  rotationOf(spec);
  if (ROTATION_OPTION in driverOptions && !isDark) {
    throw new Fault(
      "invalid",
      `cannot use ${ROTATION_OPTION} without ${ENCRYPTED_OPTION}: nothing is to be rotated`,
    );
  }
  const scheduler = driverOptions[SCHEDULER_OPTION];
  if (scheduler !== undefined && !SCHEDULERS.includes(scheduler)) {
    const what = `must be one of ${SCHEDULERS.join(", ")}`;
    throw new Fault("invalid", `invalid value "${scheduler}" for ${SCHEDULER_OPTION}: ${what}`);
  }
  const mtu = driverOptions[MTU_OPTION];
  if (mtu === undefined) return;
  const { most } = MTU_RANGE;
  const least = leastMtu(ipv6, isDark);
  if (!/^\d+$/.test(mtu) || Number(mtu) < least || Number(mtu) > most) {
    const what = `must be a number from ${least} to ${most}`;
    throw new Fault(
      "invalid",
      `invalid value "${mtu}" for ${MTU_OPTION}: ${what}${isDark ? ", encrypted" : ""}`,
    );
  }
}

/** What the nodes' own network must carry so that the overlay's packets can be as large as IP asks for. */
function leastMtu(ipv6: boolean, isDark: boolean): number {
  const inner = ipv6 ? LEAST_MTU6 : MTU_RANGE.least - ENVELOPE;
  let least = inner + ENVELOPE;
  while (isDark && encryptedMtu(least - ENVELOPE) < inner) least += 1;
  return least;
}

function checkNetwork(view: View, spec: NetworkSpec, own: readonly OwnSubnet[]): void {
  if (PREDEFINED.has(spec.name)) {
    throw new Fault("forbidden", `operation is not permitted on predefined ${spec.name} network`);
  }
  checkOptions(spec);
  const all = [...view.all("network")];
  if (all.some((n) => n.spec.name === spec.name)) {
    throw new Fault("exists", `network with name ${spec.name} already exists`);
  }
  const ingress = all.find((n) => n.spec.ingress);
  if (spec.ingress && ingress !== undefined) {
    const what = `ingress network (${ingress.id}) is already present`;
    throw new Fault("exists", `rpc error: code = AlreadyExists desc = ${what}`);
  }
  for (const [i, config] of spec.ipam.entries()) {
    const before = spec.ipam.slice(0, i).flatMap(({ subnet }) => subnet ?? []);
    const mine = before.map((subnet) => ({ name: `network ${spec.name}`, subnet }));
    checkIpam(view, config, [...own, ...mine]);
  }
}

function checkIpam(view: View, config: IpamConfig, own: readonly OwnSubnet[]): void {
  const all = [...own, ...RESERVED];
  if (isIpv6(config.subnet ?? "")) checkIpamIn(SPACES[6], view, config, all);
  else checkIpamIn(SPACES[4], view, config, all);
}

/** The addresses of one family, for checks that are the same in both. */
interface Space<A> {
  block(text: string): { readonly base: A; readonly bits: number } | undefined;
  address(text: string): A | undefined;
  contains(block: { readonly base: A; readonly bits: number }, address: A): boolean;
  /** A subnet's longest prefix. */
  readonly longest: number;
  sideOf(state: NetworkState): NetworkSide | undefined;
}

const SPACES: { readonly 4: Space<Ipv4>; readonly 6: Space<Ipv6> } = {
  4: { block: parseCidr, address: parseIpv4, contains, longest: 29, sideOf: (state) => state },
  6: {
    block: parseCidr6,
    address: parseIpv6,
    contains: contains6,
    longest: 125,
    sideOf: ({ v6 }) => v6,
  },
};

function checkIpamIn<A>(space: Space<A>, view: View, config: IpamConfig, own: readonly OwnSubnet[]): void {
  const { subnet, gateway, ipRange, auxAddresses = {} } = config;
  const block = subnet === undefined ? undefined : space.block(subnet);
  if (subnet !== undefined && block === undefined)
    throw new Fault("invalid", `invalid subnet ${subnet}: invalid CIDR`);
  if (block !== undefined && block.bits > space.longest)
    throw new Fault("invalid", `invalid subnet ${subnet}: too small`);
  const isInside = (text: string) => {
    const address = space.address(text);
    return address !== undefined && block !== undefined && space.contains(block, address);
  };
  if (gateway !== undefined && !isInside(gateway)) {
    throw new Fault("invalid", `no matching subnet for gateway ${gateway}`);
  }
  const stray = Object.values(auxAddresses).find((address) => !isInside(address));
  if (stray !== undefined) throw new Fault("invalid", `no matching subnet for aux-address ${stray}`);
  const range = ipRange === undefined ? undefined : space.block(ipRange);
  const isPart = range && block && range.bits >= block.bits && space.contains(block, range.base);
  if (ipRange !== undefined && !isPart) throw new Fault("invalid", `no matching subnet for range ${ipRange}`);
  if (block !== undefined) checkOverlap(space, view, block, own);
}

/** Docker's own words, then the name of the other, which Docker leaves out. */
function checkOverlap<A>(
  space: Space<A>,
  view: View,
  block: { readonly base: A; readonly bits: number },
  own: readonly OwnSubnet[],
): void {
  const clashes = (text: string) => {
    const other = space.block(text);
    return other !== undefined && (space.contains(other, block.base) || space.contains(block, other.base));
  };
  const refuse = (whose: string) => {
    const what = `Pool overlaps with other one on this address space (${whose})`;
    throw new Fault("forbidden", `invalid pool request: ${what}`);
  };
  for (const { spec, state } of view.all("network")) {
    const side = state === undefined ? undefined : space.sideOf(state);
    const taken = side && subnetsOf(side).find(({ subnet }) => clashes(subnet));
    if (taken !== undefined) refuse(`network ${spec.name}, ${taken.subnet}`);
  }
  const mine = own.find(({ subnet }) => clashes(subnet));
  if (mine !== undefined) refuse(`${mine.name}, ${mine.subnet}`);
}

const RESERVED: readonly OwnSubnet[] = RESERVED_BLOCKS.map((subnet) => ({ name: "reserved", subnet }));
