import { type BridgeFact, macOf } from "../dataplane/index.ts";
import type { EndpointPlace, NetworkWish } from "../engine/index.ts";
import { Fault, placeIn, remembered } from "../lib/index.ts";
import { type IpamConfig, ipamOf } from "../model/index.ts";
import { AddressPool } from "./address-pool.ts";
import { type BridgeNetwork, mtuOf } from "./bridge-plan.ts";
import { isDefault, type LocalNetworks } from "./local-networks.ts";
import type { Guest, KnownNetwork, Membership, NetworkKind } from "./network-kind.ts";

const ICC_OPTION = "com.docker.network.bridge.enable_icc";
const SHORT_ID = 12;

interface Pools {
  readonly four: AddressPool;
  readonly six: AddressPool | undefined;
}

/** The bridge networks of this node, as containers are on them. */
export class Bridges implements NetworkKind {
  readonly driver = "bridge";
  readonly #networks: LocalNetworks;
  readonly #hasIpv6: boolean;
  readonly #pools = new Map<string, Pools>();

  constructor(networks: LocalNetworks, hasIpv6: boolean) {
    this.#networks = networks;
    this.#hasIpv6 = hasIpv6;
  }

  async find(ref: string): Promise<KnownNetwork | undefined> {
    const found = this.#networks.find(ref);
    return found && { id: found.id, name: found.spec.name };
  }

  /** Faults "invalid" in Docker's words for what the first network has not (moby daemon/container_operations.go). */
  check(network: KnownNetwork, wish: NetworkWish): void {
    const known = this.#require(network.id);
    const asks = wish.address !== undefined || wish.address6 !== undefined;
    if (isDefault(known) && asks)
      throw new Fault("invalid", "user specified IP address is supported on user defined networks only");
    if (isDefault(known) && wish.aliases.length > 0)
      throw new Fault(
        "invalid",
        "network-scoped alias is supported only for containers in user defined networks",
      );
    if (wish.address !== undefined && ipamOf(known.spec, 4)[0]?.subnet === undefined)
      throw new Fault(
        "invalid",
        "user specified IP address is supported only when connecting to networks with user configured subnets",
      );
    if (wish.address6 !== undefined && known.v6 === undefined)
      throw new Fault("invalid", `cannot use address ${wish.address6}: network ${network.name} has no IPv6`);
  }

  async join({ id }: KnownNetwork, guest: Guest, wish: NetworkWish): Promise<Membership> {
    const network = this.#require(id);
    this.check({ id, name: network.spec.name }, wish);
    const { four, six } = this.#poolsOf(network);
    const address = four.give(guest.id, wish.address);
    try {
      return membership(network, guest, wish, { address, address6: six?.give(guest.id, wish.address6) });
    } catch (error) {
      four.release(guest.id);
      throw error;
    }
  }

  adopt(guest: Guest, place: EndpointPlace, wish: NetworkWish): Membership | undefined {
    const network = this.#networks.get(place.networkId);
    if (network === undefined) return undefined;
    const [address = "", address6] = [place.address, place.v6?.address].map((text) => text?.split("/")[0]);
    const { four, six } = this.#poolsOf(network);
    four.adopt(guest.id, address);
    if (address6 !== undefined) six?.adopt(guest.id, address6);
    return membership(network, guest, wish, { address, address6 });
  }

  leave(networkId: string, containerId: string): void {
    const pools = this.#pools.get(networkId);
    pools?.four.release(containerId);
    pools?.six?.release(containerId);
    // Of a network that is going to be removed nothing stays.
    if (pools?.four.isUnused) this.#pools.delete(networkId);
  }

  isInUse(networkId: string): boolean {
    return !(this.#pools.get(networkId)?.four.isUnused ?? true);
  }

  /** What the kernel has to have of them: those that users made, and the first one while somebody is on it. */
  facts(): BridgeFact[] {
    return this.#networks
      .list()
      .filter((network) => !isDefault(network) || this.isInUse(network.id))
      .map((network) => factOf(network));
  }

  rename(guest: Guest, known: Membership): Membership {
    const network = this.#require(known.network.id);
    const { aliases } = known.place;
    const { address = "", address6 } = known.share.bridges?.[network.id] ?? {};
    return membership(network, guest, { ref: network.id, aliases }, { address, address6 });
  }

  #require(id: string): BridgeNetwork {
    const network = this.#networks.get(id);
    if (network === undefined) throw new Fault("not-found", `network ${id} not found`);
    return network;
  }

  #poolsOf(network: BridgeNetwork): Pools {
    const known = this.#pools.get(network.id);
    if (known !== undefined) return known;
    const { v6, spec } = network;
    const pools = {
      four: poolOf(network, ipamOf(spec, 4)[0]),
      six: v6 === undefined || !this.#hasIpv6 ? undefined : poolOf(v6, ipamOf(spec, 6)[0]),
    };
    this.#pools.set(network.id, pools);
    return pools;
  }
}

function poolOf(
  { subnet, gateway }: { readonly subnet: string; readonly gateway: string },
  asked: IpamConfig | undefined,
): AddressPool {
  const reserved = [gateway, ...Object.values(asked?.auxAddresses ?? {})];
  return new AddressPool(subnet, reserved, asked?.ipRange);
}

function membership(
  network: BridgeNetwork,
  guest: Guest,
  { aliases }: NetworkWish,
  { address, address6 }: { readonly address: string; readonly address6: string | undefined },
): Membership {
  const { id, spec, v6 } = network;
  const six = v6 === undefined || address6 === undefined ? undefined : { ...v6, address6 };
  const names = [...new Set([guest.name, ...aliases, guest.id.slice(0, SHORT_ID)])];
  return {
    network: { id, name: spec.name },
    named: !isDefault(network),
    share: {
      addresses: {},
      bridges: { [id]: { address, names, ...(six !== undefined && { address6: six.address6 }) } },
    },
    place: {
      ...{ networkId: id, networkName: spec.name, aliases, ...placeIn(network, address) },
      mac: macOf(address),
      ...(six !== undefined && { v6: placeIn(six, six.address6) }),
    },
  };
}

/** The same row for the same network: who is told of changes is told of none. */
const factOf = remembered((network: BridgeNetwork): BridgeFact => {
  const { id, spec, subnet, gateway, v6 } = network;
  const mtu = mtuOf(spec);
  return {
    ...{ id, name: spec.name, subnet, gateway, internal: spec.internal, named: !isDefault(network) },
    ...(mtu !== undefined && { mtu }),
    ...(spec.options[ICC_OPTION] === "false" && { icc: false }),
    ...(v6 !== undefined && { v6 }),
  };
});
