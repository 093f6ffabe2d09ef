import { closeSync, constants, mkdtempSync, openSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { plainArchive } from "./gunzip.ts";
import { O_PATH } from "./libc.ts";
import type { WriteWords } from "./order.ts";
import { packAll, packPath } from "./pack-tree.ts";
import { type PathStat, statPath } from "./path-stat.ts";
import { unpackTree } from "./unpack-tree.ts";

/** A container's root that is a folder of this machine: what the copying program does with a root, in this process. */
export class FakeRoot {
  readonly path: string = mkdtempSync(join(tmpdir(), "shoal-root-"));

  stat(path: string): PathStat {
    return this.#held((root) => statPath(root, path));
  }

  read(path: string): { readonly stat: PathStat; readonly archive: Buffer } {
    let stat: PathStat | undefined;
    const tell = (told: PathStat) => {
      stat = told;
    };
    const archive = gather((write) => this.#held((root) => packPath(root, path, { tell, write })));
    return { stat: stat as PathStat, archive };
  }

  export(): Buffer {
    return gather((write) => this.#held((root) => packAll(root, { write })));
  }

  async write(path: string, archive: AsyncIterable<Uint8Array>, words: WriteWords): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of plainArchive(archive)) chunks.push(chunk);
    this.unpack(path, Buffer.concat(chunks), words);
  }

  unpack(path: string, archive: Buffer, words: WriteWords): void {
    let at = 0;
    const take = (bytes: number): Buffer => {
      const taken = archive.subarray(at, at + bytes);
      at += taken.length;
      return taken;
    };
    this.#held((root) => unpackTree(root, path, { ...words, take }));
  }

  /** Paths of all that is there, each folder before what is in it. */
  names(): string[] {
    return readdirSync(this.path, { recursive: true, encoding: "utf8" })
      .map((path) => `/${path}`)
      .sort();
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  #held<T>(work: (root: number) => T): T {
    const root = openSync(this.path, O_PATH | constants.O_DIRECTORY);
    try {
      return work(root);
    } finally {
      closeSync(root);
    }
  }
}

function gather(work: (write: (bytes: Uint8Array) => void) => void): Buffer {
  const chunks: Buffer[] = [];
  work((bytes) => chunks.push(Buffer.from(bytes)));
  return Buffer.concat(chunks);
}
