import { type Clock, FakeClock, type Random, randomHex, seededRandom } from "../lib/index.ts";
import type { Volume, Volumes } from "./container.ts";
import { checkUnused, checkVolume, noSuchVolume, type WantedVolume } from "./volume-rules.ts";

/** Volumes in memory; their paths lead nowhere. */
export class FakeVolumes implements Volumes {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #volumes = new Map<string, Volume>();

  constructor(clock: Clock = new FakeClock(), random: Random = seededRandom(1)) {
    this.#clock = clock;
    this.#random = random;
  }

  async list(): Promise<Volume[]> {
    return [...this.#volumes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async get(name: string): Promise<Volume | undefined> {
    return this.#volumes.get(name);
  }

  async create(wanted: WantedVolume): Promise<Volume> {
    const { labels, options } = wanted;
    const anonymous = wanted.name === "";
    const name = anonymous ? randomHex(this.#random, 32) : wanted.name;
    checkVolume(wanted, name);
    const path = `/fake/volumes/${name}/_data`;
    const createdAt = this.#clock.now();
    const made = { name, driver: "local" as const, path, createdAt, labels, options, anonymous };
    const volume = this.#volumes.get(name) ?? made;
    this.#volumes.set(name, volume);
    return volume;
  }

  async hold(name: string, _holder: string): Promise<void> {
    if (!this.#volumes.has(name)) throw noSuchVolume(name);
  }

  async release(_name: string, _holder: string): Promise<void> {}

  async restore(_holders: ReadonlyMap<string, ReadonlySet<string>>): Promise<void> {}

  /** Nothing is ever in them. */
  async bytesOf(_name: string): Promise<number> {
    return 0;
  }

  async remove(
    name: string,
    { force, usedBy }: { force: boolean; usedBy: readonly string[] },
  ): Promise<void> {
    if (!this.#volumes.has(name)) {
      if (force) return;
      throw noSuchVolume(name);
    }
    checkUnused(name, usedBy);
    this.#volumes.delete(name);
  }
}
