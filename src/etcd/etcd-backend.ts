import { credentials } from "@grpc/grpc-js";
import { KV, Maintenance, type RangeResponse } from "../gen/etcdserverpb/rpc_pb.ts";
import { GrpcClient } from "../grpc/index.ts";
import { type Clock, Fault, type Instant, type Log, messageOf, sleep } from "../lib/index.ts";
import type { Backend, Commit, Entry, Write } from "../store/index.ts";
import { endOf, isAt } from "./keys.ts";
import { isFull, makeRoom } from "./room.ts";
import { watchOnce } from "./watch-stream.ts";

export interface EtcdBackendParts {
  /** grpc-js's word for the server, as EtcdProcess gives it. */
  readonly target: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Time for etcd to come back after it was restarted, and again for its answer. */
const CALL_MS = 5_000;
const PROBE_MS = 2_000;
const PAGE = 1_000n;
const RESUME_MS = 20;
const MAX_RESUME_MS = 1_000;
/** How long a database that is full of what is, is left so. */
const FULL_MS = 60_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** etcd as the store's backend, over its v3 API (proto/etcdserverpb). Faults "unavailable" and "timeout" when it is away. */
export class EtcdBackend implements Backend {
  readonly #client: GrpcClient;
  readonly #parts: EtcdBackendParts;
  #makingRoom: Promise<boolean> | undefined;
  /** Until then there is no use in making room again. */
  #fullUntil: Instant = 0;

  constructor(parts: EtcdBackendParts) {
    this.#parts = parts;
    this.#client = new GrpcClient({
      target: parts.target,
      credentials: credentials.createInsecure(),
      name: "etcd",
    });
  }

  async list(prefix: string): Promise<{ entries: Entry[]; version: number }> {
    await this.#connected();
    const entries: Entry[] = [];
    let key = encoder.encode(prefix);
    let revision = 0n;
    while (true) {
      const page = await this.#page(key, endOf(prefix), revision);
      // Later pages are read at the revision of the first: one snapshot.
      if (revision === 0n) revision = page.header?.revision ?? 0n;
      for (const kv of page.kvs) {
        entries.push({ key: decoder.decode(kv.key), value: kv.value, version: Number(kv.modRevision) });
      }
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) return { entries, version: Number(revision) };
      key = new Uint8Array([...last.key, 0]);
    }
  }

  async commit(writes: readonly Write[]): Promise<number> {
    await this.#connected();
    const compare = writes.map(({ key, expected }) => isAt(key, expected));
    const success = writes.map((write) => ({ request: operationOf(write) }));
    const answer = await this.#client
      .unary(KV.method.txn, { compare, success }, { deadlineMs: CALL_MS })
      .catch((error: unknown) => this.#ifFull(error));
    if (!answer.succeeded) throw new Fault("conflict", "cannot commit: a key is not at the expected version");
    return Number(answer.header?.revision ?? 0n);
  }

  async *watch(prefix: string, version: number, signal: AbortSignal): AsyncGenerator<Commit> {
    const { clock, log } = this.#parts;
    let seen = version;
    let pause = RESUME_MS;
    while (!signal.aborted) {
      try {
        for await (const commit of watchOnce(this.#client, prefix, seen, signal)) {
          seen = commit.version;
          pause = RESUME_MS;
          yield commit;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (Fault.is(error, "conflict")) throw error;
        log.warn("watch of etcd broke, resuming", { version: seen, reason: messageOf(error) });
      }
      // grpc-js refuses calls on a broken channel without a turn of the event loop: never ask again at once.
      await sleep(clock, pause, signal).catch(() => undefined);
      pause = Math.min(pause * 2, MAX_RESUME_MS);
      if (!signal.aborted) await this.#connected().catch(() => undefined);
    }
  }

  /** Asks etcd whether it is well; Fault "unavailable" or "timeout" when it is not. Returns its version, "3.4.23". */
  async probe(): Promise<string> {
    const { version } = await this.#client.unary(Maintenance.method.status, {}, { deadlineMs: PROBE_MS });
    return version;
  }

  close(): void {
    this.#client.close();
  }

  /** Waits out a restart of etcd instead of failing the caller. */
  #connected(): Promise<void> {
    return this.#client.ready(CALL_MS, this.#parts.clock.now());
  }

  /** The write that fills etcd up is done and refused (etcd 3.4 apply.go, quotaApplierV3): only the caller can look what is true. */
  async #ifFull(error: unknown): Promise<never> {
    if (!isFull(error)) throw error;
    const { clock, log } = this.#parts;
    if (clock.now() < this.#fullUntil) throw new Fault("unavailable", "cannot write: etcd is full");
    this.#makingRoom ??= makeRoom(this.#client).finally(() => {
      this.#makingRoom = undefined;
    });
    log.warn("etcd is full: forgetting history");
    if (!(await this.#makingRoom)) this.#fullUntil = clock.now() + FULL_MS;
    throw new Fault("unavailable", "cannot write: etcd was full of history, which is gone now; try again");
  }

  #page(key: Uint8Array, rangeEnd: Uint8Array, revision: bigint): Promise<RangeResponse> {
    const request = { key, rangeEnd, limit: PAGE, revision };
    return this.#client.unary(KV.method.range, request, { deadlineMs: CALL_MS });
  }
}

function operationOf(write: Write) {
  const key = encoder.encode(write.key);
  return write.op === "put"
    ? ({ case: "requestPut", value: { key, value: write.value } } as const)
    : ({ case: "requestDeleteRange", value: { key } } as const);
}
