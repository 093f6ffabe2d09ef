import type { Address, Ipvs, NftTable } from "../netstate/index.ts";
import type { PortFact } from "./facts.ts";

/** What a load balancer in a sandbox has to do. */
export interface Balancing {
  /** Name for an nft table, when it needs one. */
  readonly table: string;
  /** Of all addresses here; IPv4 when absent. */
  readonly family?: "ip6";
  /** Of the network, in this family. */
  readonly subnets: readonly string[];
  /** Of IPVS; by turns when absent. */
  readonly scheduler?: string;
  /** The sandbox's own address on the network: source of a task's call to itself through its service. */
  readonly address: string;
  readonly virtual: readonly VirtualService[];
  readonly published: readonly PublishedService[];
  /** The tasks of this node, by address: who may draw itself. */
  readonly tasks: readonly string[];
}

/** Whatever is sent to `vip` goes to one of `backends`, port unchanged. */
export interface VirtualService {
  readonly serviceId: string;
  readonly vip: string;
  readonly backends: readonly string[];
}

/** What comes in by `link` for `address` and the published port goes to one of `backends`. */
export interface PublishedService {
  readonly serviceId: string;
  readonly port: PortFact;
  readonly link: string;
  readonly address: string;
  readonly backends: readonly Backend[];
}

/** A task behind a published port, and the port at which it is asked. */
export interface Backend {
  readonly address: string;
  readonly port: number;
}

/** A balancer's share of a namespace. */
export interface BalancerPart {
  readonly addresses: readonly Address[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly tables: readonly NftTable[];
  readonly ipvs?: Ipvs;
}

/**
 * A load balancer for sandboxes. Laws: it keeps the caller's address, except for a task that draws itself; a VIP or
 * port without backends is refused at once, not left to hang; one more backend changes the work of one service only.
 */
export type Balancer = (wanted: Balancing) => BalancerPart;
