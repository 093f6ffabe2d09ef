import { readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { type Instant, type Log, messageOf } from "../lib/index.ts";
import type { Digest } from "../registry/index.ts";

/** When each image of this node was last used, in a file: so that a restart makes none of them younger or older. */
export class ImageUses {
  readonly #file: string;
  readonly #log: Log;
  readonly #uses: Map<Digest, Instant>;
  #isNews = false;

  constructor(file: string, log: Log) {
    this.#file = file;
    this.#log = log;
    this.#uses = new Map(Object.entries(readUses(file, log)));
  }

  note(id: Digest, at: Instant): void {
    this.#uses.set(id, at);
    this.#isNews = true;
  }

  /** Undefined for one that was never used. */
  lastOf(id: Digest): Instant | undefined {
    return this.#uses.get(id);
  }

  /** Forgets all others, and writes down what is news. */
  async keep(ids: ReadonlySet<Digest>): Promise<void> {
    for (const id of this.#uses.keys()) {
      if (ids.has(id)) continue;
      this.#uses.delete(id);
      this.#isNews = true;
    }
    if (!this.#isNews) return;
    this.#isNews = false;
    try {
      await writeFile(`${this.#file}.new`, JSON.stringify(Object.fromEntries(this.#uses)), { mode: 0o600 });
      await rename(`${this.#file}.new`, this.#file);
    } catch (error) {
      // A full disk: the next pass tries again.
      this.#isNews = true;
      this.#log.warn("uses of images not written down", { file: this.#file, error: messageOf(error) });
    }
  }
}

function readUses(file: string, log: Log): Record<Digest, Instant> {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Record<Digest, Instant>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT")
      log.warn("uses of images not read: they begin anew", { file, error: messageOf(error) });
    return {};
  }
}
