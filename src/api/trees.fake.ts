import { Fault } from "../lib/index.ts";
import type { FileChange, PathStat } from "../model/index.ts";
import type { TreeBackend } from "./backends.ts";

/** Files in memory, by path: what is written comes out as it went in, in one archive. */
export class FakeTrees implements TreeBackend {
  readonly #require: (ref: string) => void;
  readonly stats: Map<string, PathStat> = new Map<string, PathStat>();
  readonly archives: Map<string, Uint8Array> = new Map<string, Uint8Array>();
  readonly written: { readonly path: string; readonly keepsKinds: boolean; readonly asUser: boolean }[] = [];
  changed: readonly FileChange[] = [];

  constructor(require: (ref: string) => void) {
    this.#require = require;
  }

  async stat(ref: string, path: string): Promise<PathStat> {
    this.#require(ref);
    const found = this.stats.get(path);
    if (found !== undefined) return found;
    throw new Fault("not-found", `Could not find the file ${path} in container ${ref}`);
  }

  async read(
    ref: string,
    path: string,
  ): Promise<{ readonly stat: PathStat; readonly archive: AsyncIterable<Uint8Array> }> {
    return { stat: await this.stat(ref, path), archive: once(this.archives.get(path)) };
  }

  async write(
    ref: string,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    how: { readonly keepsKinds: boolean; readonly asUser: boolean },
  ): Promise<void> {
    await this.stat(ref, path);
    const chunks: Uint8Array[] = [];
    for await (const chunk of archive) chunks.push(chunk);
    const bytes = chunks.flatMap((chunk) => [...chunk]);
    this.archives.set(path, Uint8Array.from(bytes));
    this.written.push({ path, ...how });
  }

  async export(ref: string): Promise<AsyncIterable<Uint8Array>> {
    this.#require(ref);
    return once(this.archives.get("/"));
  }

  async changes(ref: string): Promise<readonly FileChange[]> {
    this.#require(ref);
    return this.changed;
  }
}

async function* once(bytes: Uint8Array | undefined): AsyncGenerator<Uint8Array> {
  yield bytes ?? new Uint8Array();
}
