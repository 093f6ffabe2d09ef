import { create } from "@bufbuild/protobuf";
import {
  LeaseKeepAliveRequestSchema,
  type LeaseKeepAliveResponse,
  Lease as LeaseService,
} from "../gen/etcdserverpb/rpc_pb.ts";
import { faultOf, type GrpcClient } from "../grpc/index.ts";
import { type Clock, Fault, type Log, messageOf, sleep, type Timer, withDeadline } from "../lib/index.ts";

export interface LeaseParts {
  readonly client: GrpcClient;
  readonly clock: Clock;
  readonly log: Log;
  /** Whole seconds in milliseconds; etcd gives no less than 2 s with its default election timeout. */
  readonly ttlMs: number;
}

const RETRY_MS = 200;

/**
 * An etcd lease, kept alive until it is released. `lost` aborts when it may have run out: counted from when the last
 * answered request was sent, so before etcd counts it out, and by timers, so that a set clock does not matter.
 */
export class Lease {
  readonly id: bigint;
  readonly #parts: LeaseParts;
  readonly #lost = new AbortController();
  readonly #released = new AbortController();
  #expiry: Timer;

  private constructor(id: bigint, parts: LeaseParts, expiry: Timer) {
    this.id = id;
    this.#parts = parts;
    this.#expiry = expiry;
  }

  /** Faults "unavailable" or "timeout" when etcd does not answer. */
  static async grant(parts: LeaseParts): Promise<Lease> {
    const { client, clock, ttlMs } = parts;
    let lease: Lease | undefined;
    const expiry = clock.after(ttlMs, () => lease?.lose("it ran out"));
    try {
      const request = { TTL: BigInt(ttlMs / 1_000) };
      const answer = await client.unary(LeaseService.method.leaseGrant, request, { deadlineMs: ttlMs / 2 });
      lease = new Lease(answer.ID, parts, expiry);
      void lease.#keep();
      return lease;
    } catch (error) {
      expiry.cancel();
      throw error;
    }
  }

  /** Aborts when the lease is lost. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  lose(reason: string): void {
    this.#expiry.cancel();
    this.#lost.abort(new Fault("unavailable", `the lease is lost: ${reason}`));
  }

  /** Gives the lease and all keys under it back. Never fails: what cannot be given back runs out by itself. */
  async release(): Promise<void> {
    this.#released.abort();
    this.#expiry.cancel();
    const { client, log, ttlMs } = this.#parts;
    await client
      .unary(LeaseService.method.leaseRevoke, { ID: this.id }, { deadlineMs: ttlMs / 2 })
      .catch((error: unknown) => log.debug("lease not revoked", { reason: messageOf(error) }));
  }

  async #keep(): Promise<void> {
    const { clock, ttlMs, log } = this.#parts;
    const over = AbortSignal.any([this.#lost.signal, this.#released.signal]);
    const beat = ttlMs / 3;
    let pause = beat;
    while (!over.aborted) {
      await sleep(clock, pause, over).catch(() => undefined);
      if (over.aborted) return;
      const next = clock.after(ttlMs, () => this.lose("it ran out"));
      try {
        const left = await withDeadline(clock, beat, "etcd LeaseKeepAlive: no answer", (s) => this.#beat(s));
        this.#expiry.cancel();
        this.#expiry = next;
        pause = beat;
        if (left <= 0) this.lose("etcd has ended it");
        if (over.aborted) next.cancel();
      } catch (error) {
        next.cancel();
        pause = RETRY_MS;
        log.warn("lease not kept alive, trying again", { reason: messageOf(error) });
      }
    }
  }

  /** One request on a stream of its own; returns the seconds left, 0 when there is no such lease. */
  #beat(signal: AbortSignal): Promise<number> {
    const call = this.#parts.client.bidi(LeaseService.method.leaseKeepAlive);
    return new Promise<number>((resolve, reject) => {
      call.once("data", (answer: LeaseKeepAliveResponse) => resolve(Number(answer.TTL)));
      // Stays for the error that canceling makes.
      call.on("error", (error) => reject(faultOf(error, "etcd LeaseKeepAlive")));
      call.once("end", () => reject(new Fault("unavailable", "etcd LeaseKeepAlive: the stream ended")));
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      call.write(create(LeaseKeepAliveRequestSchema, { ID: this.id }));
    }).finally(() => call.cancel());
  }
}
