import type { Ipvs } from "./ipvs.ts";
import type { Xfrm } from "./xfrm.ts";

/** The host's own namespace in a NodeNetwork: the one that shoald runs in. */
export const HOST = "host";

/**
 * The whole desired (or observed) network of one node, as a value. Keys of `namespaces` are HOST or the name of a
 * pinned namespace (a file under the daemon's netns folder). Applying it twice changes nothing; what is ours in the
 * kernel and not in the value is removed; what is not ours is never touched (see `isOurs` in ownership.ts).
 */
export interface NodeNetwork {
  readonly namespaces: Readonly<Record<string, Namespace>>;
}

/** One network namespace: what must be in it. Everything is listed; order has no meaning except inside `rules` of a chain. */
export interface Namespace {
  readonly links: readonly Link[];
  readonly addresses: readonly Address[];
  readonly routes: readonly Route[];
  readonly rules: readonly RouteRule[];
  readonly neighbours: readonly Neighbour[];
  readonly fdb: readonly FdbEntry[];
  /** Only the keys named are set, e.g. "net.ipv4.ip_forward": "1". They are not restored when they leave the value. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly tables: readonly NftTable[];
  /** IPsec; in the host's namespace only, where the outer packets of tunnels are. Absent: none. */
  readonly xfrm?: Xfrm;
  /** Absent where IPVS has nothing to do. */
  readonly ipvs?: Ipvs;
}

/** A device. Names are 15 bytes at most and derive from ids, so that a restarted agent finds its own work. */
export type Link = VethLink | VxlanLink | BridgeLink;

interface LinkBase {
  readonly name: string;
  /** "02:42:0a:00:00:05"; the kernel chooses when absent. */
  readonly mac?: string;
  readonly mtu?: number;
  /** Name of the bridge it is a port of, in the same namespace. */
  readonly master?: string;
  /** Of a port: it reaches the bridge, and no other port that is isolated too (bridge(8)). */
  readonly isolated?: boolean;
}

/** One end of a veth pair. Each end is listed in its own namespace and names the other. */
export interface VethLink extends LinkBase {
  readonly kind: "veth";
  readonly peer: { readonly namespace: string; readonly name: string };
}

/** `nolearning`, made in the host namespace (so that the outer socket lives there), then moved to the one that lists it. */
export interface VxlanLink extends LinkBase {
  readonly kind: "vxlan";
  readonly vni: number;
  /** The node's data-path address: source of the outer packets. */
  readonly local: string;
  /** UDP destination port, 4789 unless told otherwise. */
  readonly port: number;
  /** Made only where policies stop whatever would come or go in clear at its port. */
  readonly encrypted?: boolean;
}

export interface BridgeLink extends LinkBase {
  readonly kind: "bridge";
}

/** An address with its prefix length on a link, "10.0.1.5/24". `lo` may be named as link too. */
export interface Address {
  readonly link: string;
  readonly address: string;
}

/** A route. `destination` is "default" or CIDR. */
export interface Route {
  readonly destination: string;
  readonly link: string;
  readonly via?: string;
  readonly source?: string;
  /** "link" when there is no gateway, else "global" (the kernel's default for each). */
  readonly onlink?: boolean;
  /** Routing table, main (254) when absent. */
  readonly table?: number;
}

/** A policy rule (ip-rule(8)). Only rules in our range of priorities are ours. */
export interface RouteRule {
  readonly priority: number;
  readonly from?: string;
  /** 0: of packets without one. Any when absent. */
  readonly mark?: number;
  readonly table: number;
}

/** A permanent neighbour: who has this address on this link. */
export interface Neighbour {
  readonly link: string;
  readonly address: string;
  readonly mac: string;
}

/** A permanent forwarding entry of a vxlan device: frames to this MAC go to that tunnel endpoint. */
export interface FdbEntry {
  readonly link: string;
  readonly mac: string;
  readonly destination: string;
}

/** An nft table that is ours as a whole. Text inside is nft(8) syntax. */
export interface NftTable {
  readonly family: "ip" | "ip6" | "inet";
  readonly name: string;
  readonly sets: readonly NftSet[];
  readonly maps: readonly NftMap[];
  readonly flowtables?: readonly NftFlowtable[];
  readonly chains: readonly NftChain[];
}

/** Where rules may put connections, to go from device to device without any chain. */
export interface NftFlowtable {
  readonly name: string;
  /** Links of the same namespace, at whose ingress it is asked. */
  readonly devices: readonly string[];
}

export interface NftSet {
  readonly name: string;
  /** e.g. "ipv4_addr . ipv4_addr". */
  readonly type: string;
  readonly flags?: readonly string[];
  readonly elements: readonly string[];
}

export interface NftMap {
  readonly name: string;
  /** Key type, e.g. "ipv4_addr"; `value` is a type too, or "verdict". */
  readonly key: string;
  readonly value: string;
  readonly flags?: readonly string[];
  /** Key text to value text, e.g. "10.0.1.2" to "goto svc-abc". */
  readonly elements: Readonly<Record<string, string>>;
}

export interface NftChain {
  readonly name: string;
  /** Present for base chains. */
  readonly base?: {
    readonly type: "filter" | "nat" | "route";
    readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
    /** A number or nft's word, e.g. "dstnat" or "dstnat - 5". */
    readonly priority: string;
    readonly policy: "accept" | "drop";
  };
  /** Rules in order, each one line of nft syntax. */
  readonly rules: readonly string[];
}

export const EMPTY_NAMESPACE: Namespace = {
  links: [],
  addresses: [],
  routes: [],
  rules: [],
  neighbours: [],
  fdb: [],
  sysctls: {},
  tables: [],
};
