import type { RunRecord, SavedRuns } from "./run-record.ts";

/** The records of containers made by hand: what is on disk, in memory. Whoever changes one holds the container's lock. */
export class RunBook {
  readonly #saved: SavedRuns;
  readonly #records = new Map<string, RunRecord>();

  constructor(saved: SavedRuns) {
    this.#saved = saved;
  }

  get(id: string): RunRecord | undefined {
    return this.#records.get(id);
  }

  /** All that an earlier daemon left and `keep` wants, as it says; the others are gone from disk. */
  async load(keep: (record: RunRecord) => RunRecord | undefined): Promise<RunRecord[]> {
    for (const record of await this.#saved.load()) {
      const kept = keep(record);
      if (kept === undefined) await this.#saved.remove(record.id);
      else this.#records.set(record.id, kept);
    }
    return [...this.#records.values()];
  }

  async add(record: RunRecord): Promise<void> {
    await this.#saved.save(record);
    this.#records.set(record.id, record);
  }

  /** Nothing where there is no record: the container is a task's, or gone. */
  async change(id: string, part: { [K in keyof RunRecord]?: RunRecord[K] | undefined }): Promise<void> {
    const record = this.#records.get(id);
    if (record === undefined) return;
    const { place, ...rest } = { ...record, ...part };
    await this.add({ ...rest, ...(place !== undefined && { place }) } as RunRecord);
  }

  async remove(id: string): Promise<void> {
    this.#records.delete(id);
    await this.#saved.remove(id);
  }
}
