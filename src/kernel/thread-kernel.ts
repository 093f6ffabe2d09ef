import { Worker } from "node:worker_threads";
import { aborted, type Delta, deltaOf, Fault, type Log, messageOf } from "../lib/index.ts";
import type { NodeNetwork } from "../netstate/index.ts";
import type { ApplyReport, Kernel, ObservedNetwork } from "./kernel.ts";
import {
  type FromKernel,
  type KernelCall,
  type KernelThreadData,
  NO_NETWORK,
  type ToKernel,
} from "./kernel-messages.ts";

export interface ThreadKernelOptions extends KernelThreadData {
  readonly log: Log;
  /** The thread's program, where it is not the built one beside this file. */
  readonly thread?: URL;
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: Fault): void;
}

/** As built: threads do not run TypeScript. */
const BUILT = new URL("./kernel-thread.js", import.meta.url);

/** The values it handles are short-lived: a large space for them would only be resident memory. */
const resourceLimits = { maxYoungGenerationSizeMb: 8 };

/**
 * LinuxKernel in a thread of its own: requests to the kernel are synchronous, and while namespaces are torn down they wait
 * for its locks up to some 100 ms each. "Host" is the network namespace of the thread that makes the object. A thread that died is not
 * started again, since nobody knows how far it came: all calls fail, and so does `run`.
 */
export class ThreadKernel implements Kernel {
  readonly #thread: Worker;
  readonly #log: Log;
  readonly #calls = new Map<number, Pending>();
  readonly #watches = new Map<number, () => void>();
  readonly #exited: Promise<void>;
  #lastId = 0;
  /** What the thread was told last, and remembers: the next is told as the difference. */
  #told: NodeNetwork = NO_NETWORK;
  /** Why the thread is no more, or is about to end. */
  #gone: Fault | undefined;

  constructor({ tag, netnsDir, log, thread = BUILT }: ThreadKernelOptions) {
    this.#log = log;
    this.#thread = new Worker(thread, {
      workerData: { tag, netnsDir } satisfies KernelThreadData,
      resourceLimits,
      // Sockets are made by libc and closed by Node, which would complain of each.
      trackUnmanagedFds: false,
    });
    this.#thread.on("message", (message: FromKernel) => this.#hear(message));
    this.#thread.on("error", (error) => this.#end(`has died: ${messageOf(error)}`));
    this.#exited = new Promise((resolve) => {
      this.#thread.once("exit", (code) => {
        this.#end(`ended with ${code}`);
        resolve();
      });
    });
  }

  apply(wanted: NodeNetwork): Promise<ApplyReport> {
    return this.#call("apply", this.#differing(wanted));
  }

  sweep(wanted: NodeNetwork): Promise<string[]> {
    return this.#call("sweep", this.#differing(wanted));
  }

  observe(wanted: NodeNetwork): Promise<ObservedNetwork> {
    return this.#call("observe", this.#differing(wanted));
  }

  watch(signal: AbortSignal, onChange: () => void): void {
    if (signal.aborted) return;
    const id = ++this.#lastId;
    this.#watches.set(id, onChange);
    this.#tell({ kind: "watch", id });
    signal.addEventListener(
      "abort",
      () => {
        this.#watches.delete(id);
        this.#tell({ kind: "unwatch", id });
      },
      { once: true },
    );
  }

  undelivered(namespace: string): Promise<number> {
    return this.#call("undelivered", namespace);
  }

  portsInUse(): Promise<ReadonlySet<string>> {
    return this.#call("portsInUse");
  }

  lackOfSctp(): Promise<string> {
    return this.#call("lackOfSctp");
  }

  lackOfEncryption(): Promise<string> {
    return this.#call("lackOfEncryption");
  }

  lackOfFlowTables(): Promise<string> {
    return this.#call("lackOfFlowTables");
  }

  destroy(): Promise<void> {
    return this.#call("destroy");
  }

  /** Until the signal aborts; fails as soon as the thread has died. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.race([aborted(signal), this.#exited]);
    if (!signal.aborted) throw this.#gone;
  }

  /** Ends the thread when it has done what it was asked for; what is in the kernel stays. */
  async close(): Promise<void> {
    this.#tell({ kind: "close" });
    this.#gone ??= new Fault("unavailable", "cannot reach the kernel's network: shoald stops");
    await this.#exited;
  }

  #differing(wanted: NodeNetwork): Delta {
    const delta = deltaOf(this.#told, wanted);
    this.#told = wanted;
    return delta;
  }

  #call<T>(call: KernelCall, argument?: unknown): Promise<T> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#calls.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#tell({ kind: "call", id, call, argument });
    });
  }

  #tell(message: ToKernel): void {
    if (this.#gone === undefined) this.#thread.postMessage(message);
  }

  #hear(message: FromKernel): void {
    switch (message.kind) {
      case "done":
        this.#take(message.id)?.resolve(message.value);
        break;
      case "failed":
        this.#take(message.id)?.reject(new Fault(message.fault.kind, message.fault.message));
        break;
      case "changed":
        this.#watches.get(message.id)?.();
        break;
      case "line":
        this.#log[message.level](message.message, message.fields);
    }
  }

  #take(id: number): Pending | undefined {
    const pending = this.#calls.get(id);
    this.#calls.delete(id);
    return pending;
  }

  #end(how: string): void {
    this.#gone ??= new Fault("unavailable", `cannot reach the kernel's network: its thread ${how}`);
    for (const { reject } of this.#calls.values()) reject(this.#gone);
    this.#calls.clear();
  }
}
