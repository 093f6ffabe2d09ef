import type { NetworkFacts, NodeSettings } from "../dataplane/index.ts";
import { Tenant, type TenantDoor } from "./tenant.ts";

/** What a manager sends of the network; the node adds itself and its own sandboxes. */
export type ClusterFacts = Omit<NetworkFacts, "self" | "tasks" | "bridges">;

export const NO_FACTS: ClusterFacts = {
  networks: [],
  nodes: [],
  services: [],
  endpoints: [],
  attachments: [],
};

/** This node as a member of a cluster. */
export interface MemberSettings extends Pick<NodeSettings, "nodeId" | "dataPathAddress" | "dataPathPort"> {
  /** What a sweep has put right, a sentence each. */
  onRepaired?(what: readonly string[]): void;
}

/** What a cluster's network needs of the loop that keeps the kernel. */
export interface ClusterDoor extends TenantDoor {
  /** The cluster has said what its network is: from now on the kernel works by that. */
  takenUp(cluster: ClusterNetwork): void;
  factsOf(cluster: ClusterNetwork): NetworkFacts;
  trouble(): string | undefined;
}

/** The network of the cluster that this node is in: what managers say of it, and the sandboxes of this node's tasks. */
export class ClusterNetwork extends Tenant {
  readonly #door: ClusterDoor;
  #member: MemberSettings;
  #told: ClusterFacts = NO_FACTS;
  /** The facts that the kernel works by, and what is to be called when it works by the newest ones. */
  #inForce: ClusterFacts | undefined;
  #onInForce: (() => void) | undefined;

  constructor(door: ClusterDoor, member: MemberSettings) {
    super(door);
    this.#door = door;
    this.#member = member;
  }

  get member(): MemberSettings {
    return this.#member;
  }

  /** What a manager has told. */
  get told(): ClusterFacts {
    return this.#told;
  }

  /** All that the node's network is built from, the same value until it changes. */
  facts(): NetworkFacts {
    return this.#door.factsOf(this);
  }

  /** The cluster's VXLAN port, once a manager has said it. */
  setDataPathPort(dataPathPort: number): void {
    if (dataPathPort === this.#member.dataPathPort || this.isClosed) return;
    this.#member = { ...this.#member, dataPathPort };
    this.#door.changed();
  }

  /** New facts from a manager; the kernel follows by itself. */
  setFacts(facts: ClusterFacts): void {
    if (this.isClosed) return;
    this.#told = facts;
    this.#door.takenUp(this);
  }

  /** Why the kernel does not work by what it was told, as half a sentence; undefined while it does. */
  trouble(): string | undefined {
    return this.#inForce === undefined ? "the node's network is not set up yet" : this.#door.trouble();
  }

  /** Calls `done` once the kernel works by the facts as they are now: at once, if it does. A later call takes its place. */
  whenInForce(done: () => void): void {
    if (this.#inForce === this.#told) done();
    else this.#onInForce = done;
  }

  /** To be asked before the kernel is told: what to call when it works by that. */
  beginRound(): () => void {
    const [told, onInForce] = [this.#told, this.#onInForce];
    return () => this.#enforced(told, onInForce);
  }

  /** The kernel works by the facts `told`. What was asked for since waits for newer ones, unless there are none. */
  #enforced(told: ClusterFacts, onInForce: (() => void) | undefined): void {
    this.#inForce = told;
    const isNewest = told === this.#told;
    const done = isNewest ? this.#onInForce : onInForce;
    if (this.#onInForce === done) this.#onInForce = undefined;
    done?.();
  }
}
