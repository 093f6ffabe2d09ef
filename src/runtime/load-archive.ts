import { createHash } from "node:crypto";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract, type Header } from "tar-stream";
import { type Clock, Fault, messageOf } from "../lib/index.ts";
import type { Digest } from "../registry/index.ts";
import { writeBlob } from "./image-content.ts";
import type { ImageLease } from "./image-lease.ts";

/** A document (manifest, config) is below this; together they are below the other. What is bigger is a layer. */
const MAX_DOCUMENT_BYTES = 4 << 20;
const MAX_ALL_DOCUMENTS_BYTES = 64 << 20;

/** Compressions by the first bytes of a file. */
const MAGIC: readonly (readonly [name: "gzip" | "zstd" | "bzip2" | "xz", bytes: readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
];

export type Compression = (typeof MAGIC)[number][0] | "none";

/** A file of the archive that went into the content store. */
export interface StoredFile {
  readonly digest: Digest;
  readonly size: number;
  readonly compression: Compression;
}

/** What an archive holds, by path. Links are resolved. */
export interface ArchiveContents {
  document(path: string): Uint8Array | undefined;
  stored(path: string): StoredFile | undefined;
}

export interface ReadParts {
  readonly lease: ImageLease;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Reads a tar once, front to back: small JSON stays in memory, everything else streams into the content store. */
export async function readArchive(
  parts: ReadParts,
  archive: AsyncIterable<Uint8Array>,
): Promise<ArchiveContents> {
  const reader = new ArchiveReader(parts);
  const tar = extract();
  const feeding = pipeline(Readable.from(decompressed(archive)), tar, { signal: parts.signal });
  // A failure of the feed also ends the loop below, which then has less to say about it.
  feeding.catch(() => {});
  try {
    for await (const entry of tar) {
      await reader.take(entry.header, entry as AsyncIterable<Uint8Array>);
      entry.resume();
    }
    await feeding;
  } catch (error) {
    tar.destroy();
    const cause = await feeding.then(
      () => error,
      (first: unknown) => first,
    );
    if (error instanceof Fault) throw error;
    throw new Fault("invalid", `cannot load image: ${messageOf(cause)}`, { cause });
  }
  return reader;
}

class ArchiveReader implements ArchiveContents {
  readonly #parts: ReadParts;
  readonly #documents = new Map<string, Uint8Array>();
  readonly #stored = new Map<string, StoredFile>();
  readonly #links = new Map<string, string>();
  #documentBytes = 0;
  #files = 0;

  constructor(parts: ReadParts) {
    this.#parts = parts;
  }

  document(path: string): Uint8Array | undefined {
    return this.#documents.get(this.#resolve(path));
  }

  stored(path: string): StoredFile | undefined {
    return this.#stored.get(this.#resolve(path));
  }

  async take({ name, type, size = 0, linkname }: Header, body: AsyncIterable<Uint8Array>): Promise<void> {
    const path = posix.normalize(name);
    if (type === "symlink" && linkname) this.#links.set(path, posix.join(posix.dirname(path), linkname));
    if (type === "link" && linkname) this.#links.set(path, posix.normalize(linkname));
    if (type !== "file") return;
    const iterator = body[Symbol.asyncIterator]();
    const head = await readHead(iterator);
    const whole = rest(head, iterator);
    const bytes = size <= MAX_DOCUMENT_BYTES && startsJson(head) ? await collect(whole) : undefined;
    if (bytes !== undefined && isJson(bytes)) this.#keep(path, bytes);
    else await this.#store(path, bytes === undefined ? whole : once(bytes), size, compressionOf(head));
  }

  #keep(path: string, bytes: Uint8Array): void {
    this.#documentBytes += bytes.length;
    if (this.#documentBytes > MAX_ALL_DOCUMENTS_BYTES) {
      throw new Fault(
        "invalid",
        `cannot load image: its documents are over ${MAX_ALL_DOCUMENTS_BYTES} bytes`,
      );
    }
    this.#documents.set(path, bytes);
  }

  async #store(
    path: string,
    body: AsyncIterable<Uint8Array>,
    size: number,
    compression: Compression,
  ): Promise<void> {
    const { lease, clock, signal } = this.#parts;
    const hash = createHash("sha256");
    async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
      for await (const chunk of body) {
        hash.update(chunk);
        yield chunk;
      }
    }
    const ref = `${lease.id}-${this.#files++}`;
    const written = await writeBlob(lease.client, clock, { ref, size, labels: {}, source, signal }).catch(
      unlessExists,
    );
    const digest = written ?? `sha256:${hash.digest("hex")}`;
    await lease.holdContent(digest);
    this.#stored.set(path, { digest, size, compression });
  }

  /** Follows links, as old `docker save` made for a layer that several images share; a loop ends nowhere. */
  #resolve(path: string): string {
    let at = posix.normalize(path);
    for (let hops = 0; hops < 8; hops++) {
      const next = this.#links.get(at);
      if (next === undefined) break;
      at = next;
    }
    return at;
  }
}

function unlessExists(error: unknown): undefined {
  if (!Fault.is(error, "exists")) throw error;
}

/** The archive itself may be compressed. */
async function* decompressed(
  archive: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = archive[Symbol.asyncIterator]();
  const head = await readHead(iterator);
  const compression = compressionOf(head);
  const whole = rest(head, iterator);
  if (compression === "none") return yield* whole;
  if (compression !== "gzip")
    throw new Fault(
      "unsupported",
      `cannot load image: ${compression} archives are not read; use tar or gzip`,
    );
  const gunzip = createGunzip();
  const feeding = pipeline(Readable.from(whole), gunzip);
  feeding.catch(() => {});
  yield* gunzip as AsyncIterable<Uint8Array>;
  await feeding;
}

/** At least the first 8 bytes, when there are so many. */
async function readHead(iterator: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let head: Uint8Array = new Uint8Array();
  while (head.length < 8) {
    const { value, done } = await iterator.next();
    if (done) break;
    head = head.length === 0 ? value : Buffer.concat([head, value]);
  }
  return head;
}

async function* rest(
  head: Uint8Array,
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (head.length > 0) yield head;
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
}

function compressionOf(head: Uint8Array): Compression {
  return MAGIC.find(([, bytes]) => bytes.every((byte, i) => head[i] === byte))?.[0] ?? "none";
}

/** Worth reading as a document: a layer's tar begins with a file name, which seldom has a brace. */
function startsJson(head: Uint8Array): boolean {
  return /^\s*[{[]/.test(Buffer.from(head.subarray(0, 8)).toString("latin1"));
}

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(Buffer.from(bytes).toString());
    return true;
  } catch {
    return false;
  }
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
