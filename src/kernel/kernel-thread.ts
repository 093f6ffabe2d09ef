import { parentPort, workerData } from "node:worker_threads";
import { type Delta, Fault, relayLog, withDelta } from "../lib/index.ts";
import type { NodeNetwork } from "../netstate/index.ts";
import { systemClock } from "../sys/index.ts";
import {
  type FromKernel,
  type KernelCall,
  type KernelThreadData,
  NO_NETWORK,
  type ToKernel,
} from "./kernel-messages.ts";
import { LinuxKernel } from "./linux-kernel.ts";
import { leaveHome } from "./netns.ts";
import { leaveNftables } from "./nft-context.ts";

/** The thread in which the kernel is spoken to: a request that waits for the kernel's locks holds up nothing but the next one. */

const port = parentPort;
if (port === null) throw new Error("this is a thread of shoald, not a program");

const say = (message: FromKernel): void => port.postMessage(message);

const kernel = new LinuxKernel({
  ...(workerData as KernelThreadData),
  clock: systemClock,
  log: relayLog((line) => say({ kind: "line", ...line })),
});
const watches = new Map<number, AbortController>();

let told: NodeNetwork = NO_NETWORK;

/** The network that is told as a difference from the last one. What both share stays the same object, which makes comparing quick. */
function take(delta: Delta): NodeNetwork {
  told = withDelta(told, delta) as NodeNetwork;
  return told;
}

const CALL: { readonly [K in KernelCall]: (argument: unknown) => Promise<unknown> } = {
  apply: (delta) => kernel.apply(take(delta as Delta)),
  sweep: (delta) => kernel.sweep(take(delta as Delta)),
  observe: (delta) => kernel.observe(take(delta as Delta)),
  undelivered: (namespace) => kernel.undelivered(namespace as string),
  portsInUse: () => kernel.portsInUse(),
  lackOfSctp: () => kernel.lackOfSctp(),
  lackOfEncryption: () => kernel.lackOfEncryption(),
  lackOfFlowTables: () => kernel.lackOfFlowTables(),
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
