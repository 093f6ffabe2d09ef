import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import {
  Content,
  type WriteContentRequest,
  WriteContentRequestSchema,
  type WriteContentResponse,
} from "../gen/containerd/content_pb.ts";
import { faultOf, type GrpcClient } from "../grpc/index.ts";
import { type Clock, Fault, sleep } from "../lib/index.ts";
import type { Digest } from "../registry/index.ts";

/** How much one message carries: big enough that its overhead is small, well below containerd's 16 MB. */
const MESSAGE_BYTES = 512 << 10;
const LOCK_WAIT_MS = 30_000;
const LOCK_POLL_MS = 100;

/** What a write message asks for (containerd's content.proto). */
const ACTION = { stat: 0, write: 1, commit: 2 } as const;

/** One blob on its way into the store. */
export interface BlobWrite {
  /** The name of the unfinished write: who writes it again goes on where it ended; one writer at a time. */
  readonly ref: string;
  readonly size: number;
  /** Checked by containerd at the end; when left out, the digest is what it turns out to be. */
  readonly digest?: Digest;
  readonly labels: Readonly<Record<string, string>>;
  /** The bytes from an offset on; `stop` aborts when nobody takes them any more. */
  source(offset: number, stop: AbortSignal): AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
}

/** True when the blob is whole in the store. */
export async function hasBlob(client: GrpcClient, digest: Digest): Promise<boolean> {
  return (await blobSize(client, digest)) !== undefined;
}

/** Size in bytes, undefined when the blob is not there. */
export async function blobSize(client: GrpcClient, digest: Digest): Promise<number | undefined> {
  try {
    const { info } = await client.unary(Content.method.info, { digest });
    return Number(info?.size ?? 0);
  } catch (error) {
    if (Fault.is(error, "not-found")) return undefined;
    throw error;
  }
}

/** A whole small blob. Fault "not-found" when it is missing. */
export async function readContent(client: GrpcClient, digest: Digest): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of streamContent(client, digest)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A blob in pieces, read no faster than they are taken. Fault "not-found" when it is missing. */
export async function* streamContent(
  client: GrpcClient,
  digest: Digest,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = client.serverStream(Content.method.read, { digest });
  try {
    for await (const { data } of stream) yield data as Uint8Array;
  } catch (error) {
    throw faultOf(error, "containerd Read");
  } finally {
    stream.cancel();
  }
}

/** Adds labels to a blob that is there. */
export async function labelBlob(
  client: GrpcClient,
  digest: Digest,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  const paths = Object.keys(labels).map((key) => `labels.${key}`);
  if (paths.length === 0) return;
  await client.unary(Content.method.update, {
    info: { digest, labels: { ...labels } },
    updateMask: { paths },
  });
}

/**
 * Writes a blob, going on where an earlier write of the same ref ended, and returns its digest.
 * A blob that is there already is only labelled. Waits for another writer of the ref to end.
 */
export async function writeBlob(client: GrpcClient, clock: Clock, blob: BlobWrite): Promise<Digest> {
  const deadline = clock.now() + LOCK_WAIT_MS;
  for (let fresh = false; ; ) {
    try {
      return await writeOnce(client, blob);
    } catch (error) {
      blob.signal?.throwIfAborted();
      if (Fault.is(error, "exists") && blob.digest !== undefined) {
        await labelBlob(client, blob.digest, blob.labels);
        return blob.digest;
      }
      const locked = Fault.is(error, "unavailable") && /\blocked\b/.test(error.message);
      // What an earlier, broken write left may be wrong: once more from the start.
      const spoilt = Fault.is(error, "precondition") && !fresh;
      if (spoilt) {
        fresh = true;
        await client.unary(Content.method.abort, { ref: blob.ref });
      } else if (!locked || clock.now() > deadline) throw error;
      else await sleep(clock, LOCK_POLL_MS, blob.signal);
    }
  }
}

async function writeOnce(client: GrpcClient, blob: BlobWrite): Promise<Digest> {
  const writer = new Writer(client);
  const head = { ref: blob.ref, total: BigInt(blob.size), expected: blob.digest ?? "" };
  try {
    await writer.send({ ...head, action: ACTION.stat });
    let offset = Number((await writer.answer(ACTION.stat)).offset);
    for await (const data of inPieces(blob.source(offset, writer.failed))) {
      blob.signal?.throwIfAborted();
      await writer.send({ ...head, action: ACTION.write, offset: BigInt(offset), data });
      offset += data.length;
    }
    const labels = { ...blob.labels };
    await writer.send({ ...head, action: ACTION.commit, offset: BigInt(offset), labels });
    return (await writer.answer(ACTION.commit)).digest;
  } finally {
    writer.close();
  }
}

/** Small pieces joined to messages of a good size; big ones cut. */
async function* inPieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of source) {
    held.push(chunk);
    size += chunk.length;
    if (size < MESSAGE_BYTES) continue;
    const all = held.length === 1 ? chunk : Buffer.concat(held);
    for (let at = 0; at < size; at += MESSAGE_BYTES) yield all.subarray(at, at + MESSAGE_BYTES);
    held = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(held);
}

/** The two-way stream of one write: messages are sent without waiting for each one's answer. */
class Writer {
  readonly #stream: ClientDuplexStream<WriteContentRequest, WriteContentResponse>;
  readonly #failed = new AbortController();
  #last = new Map<number, WriteContentResponse>();
  #wake: () => void = () => {};

  constructor(client: GrpcClient) {
    this.#stream = client.bidi(Content.method.write);
    this.#stream.on("data", (answer: WriteContentResponse) => {
      this.#last.set(answer.action, answer);
      this.#wake();
    });
    this.#stream.on("error", (error: unknown) => this.#fail(faultOf(error, "containerd Write")));
    this.#stream.on("end", () => this.#fail(new Fault("unavailable", "containerd Write: the stream ended")));
    this.#stream.on("drain", () => this.#wake());
  }

  /** Aborts with the Fault that ended the stream. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  /** Resolves when there is room for the next message. */
  async send(message: MessageInitShape<typeof WriteContentRequestSchema>): Promise<void> {
    this.#failed.signal.throwIfAborted();
    if (this.#stream.write(create(WriteContentRequestSchema, message))) return;
    await this.#until(() => !this.#stream.writableNeedDrain);
  }

  async answer(action: number): Promise<WriteContentResponse> {
    await this.#until(() => this.#last.has(action));
    const answer = this.#last.get(action);
    if (answer === undefined) throw new Fault("internal", "containerd Write: no answer");
    return answer;
  }

  close(): void {
    this.#stream.cancel();
  }

  async #until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) {
      this.#failed.signal.throwIfAborted();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #fail(failure: Fault): void {
    this.#failed.abort(failure);
    this.#wake();
  }
}
