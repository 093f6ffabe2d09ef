import type { Subnet } from "../lib/index.ts";

/**
 * What one node must know to build its network: a projection of the cluster's objects, sent by a manager
 * (all but `tasks`), and the node's own running sandboxes (`tasks`). Plain values, small rows.
 */
export interface NetworkFacts {
  readonly self: NodeSettings;
  readonly networks: readonly NetworkFact[];
  readonly nodes: readonly NodeFact[];
  readonly services: readonly ServiceFact[];
  readonly endpoints: readonly EndpointFact[];
  readonly attachments: readonly AttachmentFact[];
  /** Containers made by hand, on any node. They are among the attachments, and never behind a VIP. */
  readonly guests?: readonly GuestFact[];
  readonly tasks: readonly TaskFact[];
  /** Bridge networks of this node alone. */
  readonly bridges?: readonly BridgeFact[];
  /** Keys with other nodes, when this node is on encrypted networks. A node without an entry is not spoken to there. */
  readonly encryption?: readonly PeerKeys[];
}

/** The keys that this node shares with one other, by their SPIs. Secret. */
export interface PeerKeys {
  readonly nodeId: string;
  /** What the other may send under: the last epoch, this one and the next. */
  readonly inbound: readonly TunnelKey[];
  /** The first is the one to send under; the others are kept for packets that are on their way. */
  readonly outbound: readonly TunnelKey[];
}

export interface TunnelKey {
  readonly spi: number;
  /** 40 hex digits: AES-128 key and salt (RFC 4106). */
  readonly key: string;
}

export interface NodeSettings {
  /** "" on a node in no cluster, which has no tunnels either. */
  readonly nodeId: string;
  /** The node's data-path address: source of tunnel packets. */
  readonly dataPathAddress: string;
  /** Subnet of the gateway bridge, e.g. "172.18.0.0/16"; see `gatewayLayout` for who has which address of it. */
  readonly gatewaySubnet: string;
  /**
   * VXLAN UDP port, 4789 by default, one for the cluster. Two swarms in one host namespace need two ports:
   * the kernel keeps one owner per (port, VNI) there.
   */
  readonly dataPathPort: number;
  /** The node takes IPv6 clients of published ports, and carries the IPv6 of networks that have it. */
  readonly ipv6?: boolean;
}

/** An overlay network that this node has to be on (ingress: always). */
export interface NetworkFact extends SideFact {
  readonly id: string;
  readonly name: string;
  readonly vni: number;
  readonly mtu: number;
  readonly ingress: boolean;
  readonly internal: boolean;
  /** Its tunnels run on the data-path port + 1, as ESP only. `mtu` is what it would be in clear. */
  readonly encrypted?: boolean;
  /** Of IPVS, by the kernel's name for it; by turns when absent, and on nodes with nftables. */
  readonly scheduler?: string;
  /** Its IPv6 side, when it has one: "fd00:1::/64" and "fd00:1::1", as RFC 5952 writes them. */
  readonly v6?: SideFact;
}

/**
 * A network in one family: "10.0.1.0/24"; the gateway address is reserved by the allocator and is the containers' gateway word in
 * inspect. With more subnets each has a gateway, which all are the sandbox's.
 */
export interface SideFact extends Subnet {
  readonly more?: readonly Subnet[];
}

/** A bridge network of this node alone: for containers made by hand. */
export interface BridgeFact {
  readonly id: string;
  readonly name: string;
  /** "172.17.0.0/16"; `gateway` is the host's own address there. */
  readonly subnet: string;
  readonly gateway: string;
  /** Bytes; the kernel's 1500 when absent. */
  readonly mtu?: number;
  readonly internal: boolean;
  /** False where those on it do not reach each other, and the host alone reaches them. */
  readonly icc?: boolean;
  /** Whether those on it find each other by name: on all but the node's first one, as with Docker. */
  readonly named: boolean;
  readonly v6?: { readonly subnet: string; readonly gateway: string };
}

/** A member node: where its tunnels end, and its own address on each network (its sandbox's address). */
export interface NodeFact {
  readonly id: string;
  readonly dataPathAddress: string;
  /** network id -> "10.0.1.3" (no prefix length). Includes self. */
  readonly addresses: Readonly<Record<string, string>>;
}

export interface ServiceFact {
  readonly id: string;
  readonly name: string;
  /** network id -> VIP "10.0.1.2"; empty with dnsrr. Ingress included when ports are published in ingress mode. */
  readonly vips: Readonly<Record<string, string>>;
  /** network id -> VIP "fd00:1::2" on networks with IPv6. */
  readonly vips6?: Readonly<Record<string, string>>;
  /** network id -> extra names there. */
  readonly aliases: Readonly<Record<string, readonly string[]>>;
  /** Published in ingress mode. */
  readonly ports: readonly PortFact[];
}

export interface PortFact {
  /** The host's address that the port is at; absent: all of them. Of host ports only. */
  readonly hostAddress?: string;
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly published: number;
  readonly target: number;
}

/** A task that can take traffic now (running, healthy, wanted): only those are listed. */
export interface EndpointFact {
  readonly taskId: string;
  readonly serviceId: string;
  /** Full task name: "vote.1.<task id>". */
  readonly name: string;
  readonly nodeId: string;
  /** network id -> "10.0.1.5". */
  readonly addresses: Readonly<Record<string, string>>;
  /** network id -> "fd00:1::5" on networks with IPv6. */
  readonly addresses6?: Readonly<Record<string, string>>;
  /**
   * Published in ingress mode when the task was made, 0 where no number was said: while an update goes on its service says others. Absent:
   * as its service says.
   */
  readonly ports?: readonly PortFact[];
}

/**
 * A task, or a container made by hand, that has addresses on networks of this node, wherever it runs and whether or not it can take traffic:
 * from "assigned" until it has stopped. Routes come from here, so that a task that is starting or draining can
 * talk and be answered; load balancers and names come from `endpoints`.
 */
export interface AttachmentFact {
  readonly taskId: string;
  readonly nodeId: string;
  /** network id -> "10.0.1.5". */
  readonly addresses: Readonly<Record<string, string>>;
  /** network id -> "fd00:1::5" on networks with IPv6. */
  readonly addresses6?: Readonly<Record<string, string>>;
}

/** A container made by hand: what it is called on each network. */
export interface GuestFact {
  /** The container's: 64 hex digits. */
  readonly id: string;
  readonly nodeId: string;
  /** network id -> "10.0.1.5". */
  readonly addresses: Readonly<Record<string, string>>;
  /** network id -> "fd00:1::5" on networks with IPv6. */
  readonly addresses6?: Readonly<Record<string, string>>;
  /** network id -> its names there, the container's own first. */
  readonly names: Readonly<Record<string, readonly string[]>>;
}

/**
 * A task of this node that has, or must get, a sandbox of its own; or a container made by hand, which is to the network what a task is:
 * its id is the container's, and it is of no service.
 */
export interface TaskFact {
  readonly taskId: string;
  readonly serviceId: string;
  readonly addresses: Readonly<Record<string, string>>;
  readonly addresses6?: Readonly<Record<string, string>>;
  /**
   * Address in the gateway subnet, chosen by the agent. Every task has one: it is the way to the resolver, and how the
   * resolver knows the asker. A task whose networks are all internal gets no default route and is not forwarded.
   */
  readonly gatewayAddress: string;
  /** Published in host mode. */
  readonly hostPorts: readonly PortFact[];
  /** Whom its questions to the outside go to, instead of the node's upstreams. */
  readonly nameservers?: readonly string[];
  /**
   * Of one whose networks come and go while it runs: network id -> "eth0"; the gateway leg has a name apart. Absent: they are
   * numbered in order.
   */
  readonly devices?: Readonly<Record<string, string>>;
  /** bridge id -> its place there. */
  readonly bridges?: Readonly<Record<string, BridgePlace>>;
}

/** A container's place on a bridge network. */
export interface BridgePlace {
  readonly address: string;
  readonly address6?: string;
  /** Its names there, the first of them its own. */
  readonly names: readonly string[];
}
