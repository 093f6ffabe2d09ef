import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { Fault, messageOf } from "../lib/index.ts";

/** First bytes of what Docker unpacks by programs that are not part of it (moby go-archive/compression). */
const FOREIGN: readonly (readonly [name: string, magic: readonly number[]])[] = [
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];
const GZIP: readonly number[] = [0x1f, 0x8b, 0x08];
const MOST_MAGIC = 5;

/** The archive, unpacked if it comes with gzip. Fault "invalid" for other ways to pack. */
export async function* plainArchive(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = archive[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  try {
    while (head.length < MOST_MAGIC) {
      const next = await iterator.next();
      if (next.done === true) break;
      head = Buffer.concat([head, next.value]);
    }
    const foreign = FOREIGN.find(([, magic]) => beginsWith(head, magic));
    if (foreign !== undefined) {
      throw new Fault(
        "invalid",
        `cannot read the archive: it is packed by ${foreign[0]}, and gzip alone is read`,
      );
    }
    const whole = rejoined(head, iterator);
    yield* beginsWith(head, GZIP) ? gunzip(whole) : whole;
  } finally {
    await iterator.return?.();
  }
}

function beginsWith(head: Buffer, magic: readonly number[]): boolean {
  return magic.every((byte, i) => head[i] === byte);
}

async function* rejoined(head: Buffer, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield head;
  while (true) {
    const next = await rest.next();
    if (next.done === true) return;
    yield next.value;
  }
}

async function* gunzip(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const source = Readable.from(packed, { objectMode: false });
  const plain = createGunzip();
  source.once("error", (error) => plain.destroy(error));
  source.pipe(plain);
  try {
    yield* plain as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("invalid", `cannot read the archive: ${messageOf(error)}`, { cause: error });
  } finally {
    source.destroy();
  }
}
