import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Log, messageOf } from "../lib/index.ts";
import type { RunRecord, SavedRuns } from "./run-record.ts";

const SUFFIX = ".json";

/** Records as files of a folder, one a container, each written whole or not at all. */
export class RunFolder implements SavedRuns {
  readonly #dir: string;
  readonly #log: Log;

  constructor(dir: string, log: Log) {
    this.#dir = dir;
    this.#log = log;
  }

  async load(): Promise<RunRecord[]> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const names = (await readdir(this.#dir)).filter((name) => name.endsWith(SUFFIX)).sort();
    const records = await Promise.all(names.map((name) => this.#read(name)));
    return records.filter((record) => record !== undefined);
  }

  async save(record: RunRecord): Promise<void> {
    const path = this.#pathOf(record.id);
    await writeFile(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  async remove(id: string): Promise<void> {
    await rm(this.#pathOf(id), { force: true });
  }

  async #read(name: string): Promise<RunRecord | undefined> {
    try {
      return JSON.parse(await readFile(join(this.#dir, name), "utf8")) as RunRecord;
    } catch (error) {
      this.#log.error("words of a container cannot be read", { file: name, error: messageOf(error) });
      return undefined;
    }
  }

  #pathOf(id: string): string {
    return join(this.#dir, id + SUFFIX);
  }
}
