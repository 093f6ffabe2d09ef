import type { GrpcClient } from "../grpc/index.ts";
import type { Clock } from "../lib/index.ts";
import { FOR_TASKS_LABEL } from "./image-labels.ts";
import { getRecord, type ImageRecord, putRecord } from "./image-records.ts";

/** Says of names whether people or tasks wanted them here. Whoever pulls by hand has the name for good. */
export class ImageOwners {
  readonly #client: GrpcClient;
  readonly #clock: Clock;
  /** Pulls by hand that are under way, which may share their job with a task's. */
  readonly #underWay = new Map<string, number>();

  constructor(client: GrpcClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  async byHand<T>(name: string, pull: () => Promise<T>): Promise<T> {
    this.#count(name, 1);
    try {
      const pulled = await pull();
      const record = await getRecord(this.#client, name);
      if (record !== undefined) await this.#mark(record, false);
      return pulled;
    } finally {
      this.#count(name, -1);
    }
  }

  async forTask<T>(name: string, pull: () => Promise<T>): Promise<T> {
    const before = await getRecord(this.#client, name);
    const isTheirs = before !== undefined && before.labels[FOR_TASKS_LABEL] === undefined;
    const pulled = await pull();
    const record = await getRecord(this.#client, name);
    if (record !== undefined && !isTheirs && !this.#underWay.has(name)) await this.#mark(record, true);
    return pulled;
  }

  async #mark({ name, target, labels }: ImageRecord, isForTasks: boolean): Promise<void> {
    if ((labels[FOR_TASKS_LABEL] !== undefined) === isForTasks) return;
    const { [FOR_TASKS_LABEL]: _, ...others } = labels;
    const wanted = isForTasks ? { ...others, [FOR_TASKS_LABEL]: "true" } : others;
    await putRecord(this.#client, { name, target, labels: wanted }, this.#clock.now());
  }

  #count(name: string, by: number): void {
    const count = (this.#underWay.get(name) ?? 0) + by;
    if (count > 0) this.#underWay.set(name, count);
    else this.#underWay.delete(name);
  }
}
