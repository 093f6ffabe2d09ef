import { macOf, type NetworkFact } from "../dataplane/index.ts";
import type { EndpointPlace, NetworkWish } from "../engine/index.ts";
import { Fault, placeIn } from "../lib/index.ts";
import type { GuestWish } from "../model/index.ts";
import type { GuestDesk, GuestPlacement } from "./guest-desk.ts";
import type { Guest, KnownNetwork, Membership, NetworkKind } from "./network-kind.ts";

export interface OverlaysParts {
  readonly desk: GuestDesk;
  /** The overlays that this node is on now. */
  known(): readonly NetworkFact[];
}

type Wanted = GuestWish["networks"][number];

/** A network's id as managers make them; those of this node's own networks are 64 hex digits. */
const ID_REGEXP = /^[0-9a-z]{25}$/;

/**
 * The attachable overlays of the cluster, for containers made by hand. A node knows only those that it is on; which others there are, and
 * which of all may be attached to, a manager says when a container comes.
 */
export class Overlays implements NetworkKind {
  readonly driver = "overlay";
  readonly #parts: OverlaysParts;
  /** By container, the overlays that it is on, under their ids. */
  readonly #wanted = new Map<string, readonly Wanted[]>();
  /** Names of overlays that containers are or were on, by id: the node may not be on them any more. */
  readonly #names = new Map<string, string>();

  constructor(parts: OverlaysParts) {
    this.#parts = parts;
  }

  /** In a cluster every word may be a network's; what it means is known when a container is on it. */
  async find(ref: string): Promise<KnownNetwork | undefined> {
    const { desk, known } = this.#parts;
    const all = known();
    const exact = all.find(({ id }) => id === ref) ?? all.find(({ name }) => name === ref);
    if (exact !== undefined) return { id: exact.id, name: exact.name };
    const name = this.#names.get(ref);
    if (name !== undefined) return { id: ref, name };
    return desk.isOpen ? { id: ref, name: ref } : undefined;
  }

  check(): void {
    // Nobody but a manager can say.
  }

  async join(
    network: KnownNetwork,
    guest: Guest,
    asked: NetworkWish,
    signal: AbortSignal,
  ): Promise<Membership> {
    const before = this.#wanted.get(guest.id) ?? [];
    if (before.some(({ ref }) => ref === network.id)) throw exists(guest, network);
    const placements = await this.#place(guest, [...before, wantedOf(network, asked)], network, signal);
    const found = placements.find(({ ref }) => ref === network.id);
    if (found === undefined) throw new Fault("internal", `network ${network.name} was not told of`);
    const { id } = found.network;
    this.#names.set(id, found.network.name);
    this.#wanted.set(guest.id, [...before, wantedOf({ ...network, id }, asked)]);
    return membershipOf(found, asked);
  }

  adopt(guest: Guest, place: EndpointPlace, wish: NetworkWish): Membership | undefined {
    if (!ID_REGEXP.test(place.networkId)) return undefined;
    const { networkId, networkName, v6 } = place;
    const address = withoutBits(place.address);
    const address6 = v6 && withoutBits(v6.address);
    const wanted = wantedOf({ id: networkId, name: networkName }, wish);
    this.#names.set(networkId, networkName);
    this.#wanted.set(guest.id, [...(this.#wanted.get(guest.id) ?? []), wanted]);
    const used = { address, ...(address6 !== undefined && { address6 }) };
    this.#parts.desk.adopt(guest, { ...wanted, used });
    const { device: _, ...told } = place;
    return {
      ...{ network: { id: networkId, name: networkName }, place: told, named: true },
      share: shareOf(networkId, address, address6),
    };
  }

  rename(guest: Guest, known: Membership): Membership {
    this.#parts.desk.rename(guest);
    return known;
  }

  leave(networkId: string, containerId: string): void {
    const left = this.#wanted.get(containerId)?.filter(({ ref }) => ref !== networkId) ?? [];
    if (left.length === 0) this.#wanted.delete(containerId);
    else this.#wanted.set(containerId, left);
    this.#parts.desk.leave(containerId, networkId);
  }

  /** `take` is called for every place on a network that a container is to lose: no manager gives it any longer. */
  whenLost(take: (containerId: string, networkId: string) => void): void {
    this.#parts.desk.onLost = (id, ref) => {
      const all = this.#wanted.get(id)?.map((on) => on.ref) ?? [];
      for (const networkId of ref === "" ? all : [ref]) take(id, networkId);
    };
  }

  /** In Docker's words (moby daemon/container_operations.go). */
  async #place(
    guest: Guest,
    networks: readonly Wanted[],
    { name }: KnownNetwork,
    signal: AbortSignal,
  ): Promise<readonly GuestPlacement[]> {
    try {
      return await this.#parts.desk.place({ ...guest, networks }, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      const { kind, message } = Fault.from(error);
      const words = kind === "not-found" ? `rpc error: code = NotFound desc = ${message}` : message;
      throw new Fault(kind, `Could not attach to network ${name}: ${words}`, { cause: error });
    }
  }
}

function exists(guest: Guest, network: KnownNetwork): Fault {
  return new Fault("forbidden", `endpoint with name ${guest.name} already exists in network ${network.name}`);
}

function wantedOf({ id }: KnownNetwork, { aliases, address, address6 }: NetworkWish): Wanted {
  return {
    ...{ ref: id, aliases },
    ...(address !== undefined && { address }),
    ...(address6 !== undefined && { address6 }),
  };
}

function membershipOf({ network, address, address6 }: GuestPlacement, { aliases }: NetworkWish): Membership {
  const { id, name, v6 } = network;
  const place: Membership["place"] = {
    ...{ networkId: id, networkName: name, aliases, ...placeIn(network, address), mac: macOf(address) },
    ...(v6 !== undefined && address6 !== undefined && { v6: placeIn(v6, address6) }),
  };
  return { network: { id, name }, place, share: shareOf(id, address, address6), named: true };
}

function shareOf(id: string, address: string, address6: string | undefined): Membership["share"] {
  return { addresses: { [id]: address }, ...(address6 !== undefined && { addresses6: { [id]: address6 } }) };
}

const withoutBits = (address: string): string => address.split("/")[0] ?? "";
