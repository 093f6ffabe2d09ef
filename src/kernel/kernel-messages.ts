import type { FaultKind, LogLine } from "../lib/index.ts";
import type { NodeNetwork } from "../netstate/index.ts";

/** What the daemon and the thread that speaks to the kernel say to each other. */

/** What both begin from: networks are told as differences (lib/delta.ts). */
export const NO_NETWORK: NodeNetwork = { namespaces: {} };

/** What the thread is told when it is made. */
export interface KernelThreadData {
  readonly tag: string;
  readonly netnsDir: string;
}

export type KernelCall =
  | "apply"
  | "sweep"
  | "observe"
  | "undelivered"
  | "portsInUse"
  | "lackOfSctp"
  | "lackOfEncryption"
  | "lackOfFlowTables"
  | "destroy";

/** What the daemon asks of its kernel. Calls and watches have numbers of their own. */
export type ToKernel =
  | { readonly kind: "call"; readonly id: number; readonly call: KernelCall; readonly argument?: unknown }
  | { readonly kind: "watch"; readonly id: number }
  | { readonly kind: "unwatch"; readonly id: number }
  /** Lets go of all descriptors and ends; what is in the kernel stays. */
  | { readonly kind: "close" };

export type FromKernel =
  | { readonly kind: "done"; readonly id: number; readonly value: unknown }
  | {
      readonly kind: "failed";
      readonly id: number;
      readonly fault: { readonly kind: FaultKind; readonly message: string };
    }
  | { readonly kind: "changed"; readonly id: number }
  | ({ readonly kind: "line" } & LogLine);
