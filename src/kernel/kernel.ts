import type { NodeNetwork, ObservedNamespace } from "../netstate/index.ts";

/** One namespace that could not be made as wanted, and why. */
export interface ApplyFailure {
  readonly namespace: string;
  readonly error: string;
}

export interface ApplyReport {
  readonly failures: readonly ApplyFailure[];
  /** Number of operations that the kernel was asked for; 0 when all was as wanted. */
  readonly changes: number;
}

/** What the kernel holds, by namespace. What is not there is not in it. */
export interface ObservedNetwork extends NodeNetwork {
  readonly namespaces: Readonly<Record<string, ObservedNamespace>>;
}

/** The kernel's networking of one node, as far as it is ours. Calls wait for each other; each is whole or says what failed. */
export interface Kernel {
  /**
   * Makes the kernel equal to `wanted`; what is ours and not in the value is removed; namespaces not wanted are
   * destroyed. One namespace's trouble does not stop the others.
   */
  apply(wanted: NodeNetwork): Promise<ApplyReport>;
  /** Reads everything back from the kernel, repairs what differs, returns a sentence per repair. */
  sweep(wanted: NodeNetwork): Promise<string[]>;
  /**
   * What the kernel holds now of the namespaces of `wanted`, read and not repaired: links, addresses, routes and the like as far as they
   * are ours, sysctls as far as `wanted` names them, and all nftables of IP, others' too.
   */
  observe(wanted: NodeNetwork): Promise<ObservedNetwork>;
  /**
   * Calls `onChange` (debounced) when somebody other than us changed what is ours, in any of our namespaces, until the
   * signal aborts.
   */
  watch(signal: AbortSignal, onChange: () => void): void;
  /**
   * How many TCP connections of one of our namespaces have something left to deliver, though the process that closed them
   * may be gone: their last answers are lost if the namespace goes now. 0 for a namespace that is not there.
   */
  undelivered(namespace: string): Promise<number>;
  /**
   * The ports of the host that its programs wait at: "tcp/8080" by whatever address, and "tcp/8080@127.0.0.1" by that one of IPv4,
   * "tcp/8080@*" by all.
   */
  portsInUse(): Promise<ReadonlySet<string>>;
  /** Why SCTP ports cannot be published on this machine, as half a sentence; "" when they can. */
  lackOfSctp(): Promise<string>;
  /** Why tunnels cannot be encrypted on this machine, as half a sentence; "" when they can. Tried at the kernel, not guessed. */
  lackOfEncryption(): Promise<string>;
  /** Why sandboxes can have no flow tables on this machine, as half a sentence; "" when they can. Tried at the kernel, not guessed. */
  lackOfFlowTables(): Promise<string>;
  /** Removes everything of ours. */
  destroy(): Promise<void>;
}
