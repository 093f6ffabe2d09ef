import { parentPort, workerData } from "node:worker_threads";
import { Fault, type FaultKind, type LogLine, relayLog } from "../lib/index.ts";
import type { NodeNetwork } from "../netstate/index.ts";
import { systemClock } from "../sys/index.ts";
import { LinuxKernel } from "./linux-kernel.ts";
import { leaveHome } from "./netns.ts";
import { leaveNftables } from "./nft-context.ts";

/** The thread in which the kernel is spoken to: a request that waits for the kernel's locks holds up nothing but the next one. */

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

const port = parentPort;
if (port === null) throw new Error("this is a thread of shoald, not a program");

const say = (message: FromKernel): void => port.postMessage(message);

const kernel = new LinuxKernel({
  ...(workerData as KernelThreadData),
  clock: systemClock,
  log: relayLog((line) => say({ kind: "line", ...line })),
});
const watches = new Map<number, AbortController>();

const CALL: { readonly [K in KernelCall]: (argument: unknown) => Promise<unknown> } = {
  apply: (wanted) => kernel.apply(wanted as NodeNetwork),
  sweep: (wanted) => kernel.sweep(wanted as NodeNetwork),
  observe: (wanted) => kernel.observe(wanted as NodeNetwork),
  undelivered: (namespace) => kernel.undelivered(namespace as string),
  portsInUse: () => kernel.portsInUse(),
  lackOfSctp: () => kernel.lackOfSctp(),
  lackOfEncryption: () => kernel.lackOfEncryption(),
  destroy: () => kernel.destroy(),
};

const HANDLE: { readonly [K in ToKernel["kind"]]: (message: Extract<ToKernel, { kind: K }>) => void } = {
  call({ id, call, argument }) {
    CALL[call](argument).then(
      (value) => say({ kind: "done", id, value }),
      (error: unknown) => {
        const { kind, message } = Fault.from(error);
        say({ kind: "failed", id, fault: { kind, message } });
      },
    );
  },
  watch({ id }) {
    const watch = new AbortController();
    watches.set(id, watch);
    kernel.watch(watch.signal, () => say({ kind: "changed", id }));
  },
  unwatch({ id }) {
    watches.get(id)?.abort(new Error("nobody watches any more"));
    watches.delete(id);
  },
  close() {
    for (const watch of watches.values()) watch.abort(new Error("the kernel's thread ends"));
    // An error here is one of the thread, and ends it as well.
    void kernel.close().then(() => {
      leaveNftables();
      leaveHome();
      process.exit(0);
    });
  },
};

port.on("message", (message: ToKernel) => {
  const handle = HANDLE[message.kind] as (message: ToKernel) => void;
  handle(message);
});
