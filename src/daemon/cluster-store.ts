import { join } from "node:path";
import { aesSeal, EtcdBackend, EtcdProcess, Leadership, loadDataKey, removeEtcdData } from "../etcd/index.ts";
import { aborted, type Clock, type Log, type Run, runGroup } from "../lib/index.ts";
import { Store } from "../store/index.ts";
import { swarmEvents } from "./swarm-events.ts";

export interface ClusterStoreParts {
  /** The node's swarm folder. */
  readonly folder: string;
  /** Where etcd's sockets may be. */
  readonly runDir: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** A manager's store: its etcd, the view over it, and the office of leader. Works from `open` to `close`. */
export class ClusterStore {
  readonly store: Store;
  readonly #parts: ClusterStoreParts;
  readonly #etcd: EtcdProcess;
  readonly #backend: EtcdBackend;
  readonly #stop = new AbortController();
  #leader: string | undefined;
  /** etcd's repair and the view's watch; they end by `close` only. */
  readonly #work: Promise<void>;

  private constructor(parts: ClusterStoreParts, etcd: EtcdProcess, backend: EtcdBackend, store: Store) {
    this.#parts = parts;
    this.#etcd = etcd;
    this.#backend = backend;
    this.store = store;
    this.#work = runGroup([(s) => etcd.run(s), (s) => store.run(s)], this.#stop.signal);
    // Who waits in `run` is told; nobody else has to be.
    this.#work.catch(() => undefined);
  }

  /** Starts etcd and reads everything there is. Fault "unavailable" when etcd cannot start. */
  static async open(parts: ClusterStoreParts): Promise<ClusterStore> {
    const { folder, runDir, clock, log } = parts;
    const etcd = await EtcdProcess.start({
      dataDir: join(folder, "etcd"),
      runDir: join(runDir, "etcd"),
      clock,
      log,
    });
    const backend = new EtcdBackend({ target: etcd.target, clock, log });
    try {
      const seal = aesSeal(loadDataKey(join(folder, "data.key")));
      const store = await Store.open({ backend, seal, clock, log, tell: swarmEvents });
      return new ClusterStore(parts, etcd, backend, store);
    } catch (error) {
      backend.close();
      await etcd.stop();
      throw error;
    }
  }

  /** Ends when the signal aborts; throws what broke the store before. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.race([this.#work, aborted(signal)]);
  }

  /** The node that leads; undefined while there is none. One manager knows of itself only, until there are more. */
  get leader(): string | undefined {
    return this.#leader;
  }

  /** Calls `lead` whenever this node is the leader. `node` tells the others who that is. */
  async lead(node: string, lead: Run, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    const office = new Leadership({ target: this.#etcd.target, key: "/leader", value: node, clock, log });
    try {
      await office.run(signal, async (leading) => {
        this.#leader = node;
        try {
          await lead(leading);
        } finally {
          this.#leader = undefined;
        }
      });
    } finally {
      office.close();
    }
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error("the store closes"));
    await this.#work.catch(() => undefined);
    this.#backend.close();
    await this.#etcd.stop();
  }
}

/** Ends an etcd that an earlier daemon left behind and deletes what the node stored of its cluster. */
export async function removeClusterStore({ folder, clock, log }: ClusterStoreParts): Promise<void> {
  await removeEtcdData({ dataDir: join(folder, "etcd"), clock, log });
}
