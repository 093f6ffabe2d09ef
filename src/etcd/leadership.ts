import { credentials } from "@grpc/grpc-js";
import { KV } from "../gen/etcdserverpb/rpc_pb.ts";
import { GrpcClient } from "../grpc/index.ts";
import { type Clock, type Log, messageOf, type Run, sleep } from "../lib/index.ts";
import { EtcdBackend } from "./etcd-backend.ts";
import { isAt } from "./keys.ts";
import { Lease } from "./lease.ts";

export interface LeadershipParts {
  readonly target: string;
  /** The key that all candidates are after, outside the store's prefix. */
  readonly key: string;
  /** What the leader writes there: who and where it is. */
  readonly value: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** A dead leader is replaced after this long and what etcd takes to notice (it looks twice a second). */
const TTL_MS = 3_000;
const CALL_MS = 1_000;
const RETRY_MS = 200;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * One leader among the managers: who holds the key by his lease. Work in flight when the lease is lost may still
 * reach the store for a moment (no lock can prevent that); there the version guard of every write decides.
 */
export class Leadership {
  readonly #parts: LeadershipParts;
  readonly #client: GrpcClient;
  readonly #keys: EtcdBackend;

  constructor(parts: LeadershipParts) {
    this.#parts = parts;
    this.#client = new GrpcClient({
      target: parts.target,
      credentials: credentials.createInsecure(),
      name: "etcd",
    });
    this.#keys = new EtcdBackend(parts);
  }

  /**
   * Calls `onLead` each time this candidate is elected. Its signal aborts when the lease is lost or `signal` aborts,
   * and nobody else is let in before it has returned or the lease has run out.
   * Ends when `signal` aborts, or with `onLead` when that ends by itself.
   */
  async run(signal: AbortSignal, onLead: Run): Promise<void> {
    const { log } = this.#parts;
    while (!signal.aborted) {
      const lease = await this.#win(signal);
      if (lease === undefined) return;
      log.info("elected leader");
      const over = AbortSignal.any([signal, lease.lost]);
      try {
        await onLead(over);
        if (!over.aborted) return;
      } catch (error) {
        if (!over.aborted) throw error;
      } finally {
        await lease.release();
        log.info("no longer leader", { lost: lease.lost.aborted });
      }
    }
  }

  /** What the leader wrote; undefined while there is none. */
  async leader(): Promise<string | undefined> {
    const { holder } = await this.#look();
    return holder && decoder.decode(holder.value);
  }

  close(): void {
    this.#client.close();
    this.#keys.close();
  }

  /** The lease under which the key is ours; undefined when the signal aborts first. */
  async #win(signal: AbortSignal): Promise<Lease | undefined> {
    const { clock, log } = this.#parts;
    while (!signal.aborted) {
      try {
        await this.#vacancy(signal);
        const lease = signal.aborted ? undefined : await this.#claim();
        if (lease !== undefined) return lease;
      } catch (error) {
        if (signal.aborted) break;
        log.warn("cannot stand for leader, trying again", { reason: messageOf(error) });
        await sleep(clock, RETRY_MS, signal).catch(() => undefined);
      }
    }
    return undefined;
  }

  /** Resolves when nobody holds the key, or the signal aborts. */
  async #vacancy(signal: AbortSignal): Promise<void> {
    const { key } = this.#parts;
    const { holder, version } = await this.#look();
    if (holder === undefined) return;
    for await (const { deletes } of this.#keys.watch(key, version, signal)) {
      if (deletes.includes(key)) return;
    }
  }

  async #look() {
    const { key } = this.#parts;
    const { entries, version } = await this.#keys.list(key);
    return { holder: entries.find((entry) => entry.key === key), version };
  }

  /** Takes the key if it is free; undefined when somebody was faster. */
  async #claim(): Promise<Lease | undefined> {
    const lease = await Lease.grant({ ...this.#parts, client: this.#client, ttlMs: TTL_MS });
    try {
      if (await this.#put(lease.id)) return lease;
    } catch (error) {
      await lease.release();
      throw error;
    }
    await lease.release();
    return undefined;
  }

  async #put(lease: bigint): Promise<boolean> {
    const key = encoder.encode(this.#parts.key);
    const value = encoder.encode(this.#parts.value);
    const take = { request: { case: "requestPut" as const, value: { key, value, lease } } };
    const request = { compare: [isAt(this.#parts.key, 0)], success: [take] };
    const answer = await this.#client.unary(KV.method.txn, request, { deadlineMs: CALL_MS });
    return answer.succeeded;
  }
}
