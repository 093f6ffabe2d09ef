import type { BridgeFact, BridgePlace, NetworkFact, SideFact, TaskFact } from "./facts.ts";

/** One leg of a task on one overlay network: its device in the task's namespace. */
export interface TaskLeg {
  readonly ethernet: string;
  readonly address: string;
  readonly network: NetworkFact;
  /** The leg's IPv6 side, when it has one. */
  readonly six?: SideFact & { readonly address: string };
}

/** A container's leg on one bridge network of its node. */
export interface BridgeLeg {
  readonly ethernet: string;
  readonly bridge: BridgeFact;
  readonly place: BridgePlace;
}

/** What of its network a task or a container is to have. */
export interface TaskPlan {
  readonly task: TaskFact;
  readonly legs: readonly TaskLeg[];
  /** Of a container made by hand: its legs on bridge networks of this node. */
  readonly bridgeLegs: readonly BridgeLeg[];
  /** The gateway leg's device: the last ethN. */
  readonly gatewayEthernet: string;
  /** What leaves by it is no larger than the container's networks want it; the kernel's 1500 when absent. */
  readonly gatewayMtu?: number;
  /** All networks are internal: no way out, only names. */
  readonly isolated: boolean;
  /** Its service publishes a UDP port. */
  readonly takesDatagrams: boolean;
  /** IPv6 address of the gateway leg: of a task that has IPv6 anywhere, or publishes a port, and is not isolated, if IPv6 fits there. */
  readonly gatewayAddress6?: string;
}
