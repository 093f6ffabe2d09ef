import type { NodeNetwork, ObservedNamespace } from "../netstate/index.ts";

/** What the kernel of one node holds, by namespace; one that is not there is not listed. */
export interface KernelState extends NodeNetwork {
  readonly namespaces: Readonly<Record<string, ObservedNamespace>>;
}

export type Protocol = "tcp" | "udp" | "sctp";

/** A connection's first packet, or its answer. */
export interface Packet {
  readonly protocol: Protocol;
  readonly source: string;
  readonly destination: string;
  /** Of an answer, the server's port is the source's: `sourcePort`. */
  readonly port: number | undefined;
  readonly sourcePort?: number;
  readonly isReply: boolean;
  /** The firewall mark, which does not leave the namespace. */
  readonly mark: number;
  /** MAC of whoever sent the frame, of one that came through a tunnel. */
  readonly ethernetSource?: string;
}

/** Whom a packet is from and to, as connection tracking keeps it. */
export interface Tuple {
  readonly source: string;
  readonly destination: string;
  readonly port: number | undefined;
}

/** What one namespace remembers of the connection. */
export interface Connection {
  readonly before: Tuple;
  readonly after: Tuple;
  readonly mark: number;
  readonly translatesTo: boolean;
  readonly translatesFrom: boolean;
}

/** One thing that happens to the packet, where it happens, in words. */
export interface Hop {
  /** A namespace's name in the NodeNetwork. */
  readonly at: string;
  readonly text: string;
}

/** How a path ends. */
export type Verdict =
  | { readonly kind: "delivered"; readonly namespace: string }
  /** It leaves the node for an address that is none of ours. */
  | { readonly kind: "out" }
  /** It is on its way to another node, whose kernel has the rest to tell. */
  | { readonly kind: "crosses"; readonly to: string; readonly link: string; readonly packet: Packet }
  | { readonly kind: "dropped"; readonly at: string; readonly because: string };

/** One way that a connection can take; a balancer's draw makes one of each backend. */
export interface Path {
  readonly hops: readonly Hop[];
  /** The answer's way back, when there is something that answers. */
  readonly answer: readonly Hop[];
  readonly verdict: Verdict;
  /** Rules of others that could not be read. */
  readonly doubts: readonly string[];
}

export const isIp6 = (address: string): boolean => address.includes(":");

export const tupleOf = ({ source, destination, port }: Tuple): Tuple => ({ source, destination, port });
