import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, Fault, KeyedLocks, type Log, messageOf, type Random, randomHex } from "../lib/index.ts";
import type { Volume, Volumes } from "./container.ts";
import { folderBytes } from "./folder-bytes.ts";
import { finishFill } from "./volume-fill.ts";
import type { VolumeMounter } from "./volume-mounter.ts";
import { deviceOf, resolveServer } from "./volume-options.ts";
import { checkUnused, checkVolume, noSuchVolume, type WantedVolume } from "./volume-rules.ts";

export interface LocalVolumesOptions {
  /** `<dir>/<name>/_data` is a volume, as in Docker. */
  readonly dir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly mounter: VolumeMounter;
}

/** Bytes in hex: the length of Docker's names for volumes that were given none. */
const ANONYMOUS_BYTES = 32;
const RECORD = "volume.json";
const DATA = "_data";
/** No volume's name begins with a dot. */
const REMOVED_PREFIX = ".removed-";

type VolumeRecord = Omit<Volume, "path" | "driver" | "name">;

/** Volumes as folders of this machine. A folder with a record is a volume; the record is written last and goes first. */
export class LocalVolumes implements Volumes {
  readonly #options: LocalVolumesOptions;
  readonly #locks = new KeyedLocks();
  /** Who holds each volume. */
  readonly #holders = new Map<string, Set<string>>();

  private constructor(options: LocalVolumesOptions) {
    this.#options = options;
  }

  /** Makes the folder, clears away what was half removed. */
  static async open(options: LocalVolumesOptions): Promise<LocalVolumes> {
    const { dir, log, mounter } = options;
    await mkdir(dir, { recursive: true, mode: 0o711 });
    for (const name of await readdir(dir)) {
      if (!name.startsWith(REMOVED_PREFIX)) continue;
      await removeTree(join(dir, name), mounter).catch((error: unknown) => {
        log.warn("removed volume's files stay", { path: join(dir, name), error: messageOf(error) });
      });
    }
    return new LocalVolumes(options);
  }

  async list(): Promise<Volume[]> {
    const names = (await readdir(this.#options.dir)).filter((name) => !name.startsWith(".")).sort();
    const volumes = await Promise.all(names.map((name) => this.get(name)));
    return volumes.filter((volume) => volume !== undefined);
  }

  async get(name: string): Promise<Volume | undefined> {
    if (name === "" || /^\.|[/\0]/.test(name)) return undefined;
    const text = await readFile(join(this.#folderOf(name), RECORD), "utf8").catch(unlessMissing);
    return text === undefined ? undefined : this.#volumeOf(name, JSON.parse(text) as VolumeRecord);
  }

  create(wanted: WantedVolume): Promise<Volume> {
    const anonymous = wanted.name === "";
    const name = anonymous ? randomHex(this.#options.random, ANONYMOUS_BYTES) : wanted.name;
    return this.#locks.with(name, async () => {
      checkVolume(wanted, name);
      const { labels, options } = wanted;
      const volume =
        (await this.get(name)) ??
        (await this.#make(name, { createdAt: this.#options.clock.now(), labels, options, anonymous }));
      if (deviceOf(volume.options) === undefined) await finishFill(volume.path);
      return volume;
    });
  }

  async bytesOf(name: string): Promise<number> {
    const volume = await this.get(name);
    return volume === undefined || deviceOf(volume.options) !== undefined ? 0 : folderBytes(volume.path);
  }

  hold(name: string, holder: string): Promise<void> {
    return this.#locks.with(name, async () => {
      const volume = await this.get(name);
      if (volume === undefined) throw noSuchVolume(name);
      await this.#mount(volume);
      this.#holders.set(name, (this.#holders.get(name) ?? new Set()).add(holder));
    });
  }

  async release(name: string, holder: string): Promise<void> {
    if (this.#holders.get(name)?.has(holder) !== true) return;
    await this.#locks.with(name, async () => {
      const holders = this.#holders.get(name) ?? new Set();
      holders.delete(holder);
      if (holders.size > 0) return;
      this.#holders.delete(name);
      await this.#unmount(name);
    });
  }

  async restore(holders: ReadonlyMap<string, ReadonlySet<string>>): Promise<void> {
    this.#holders.clear();
    for (const [name, ids] of holders) this.#holders.set(name, new Set(ids));
    for (const { name } of await this.list()) {
      if (!holders.has(name)) await this.#locks.with(name, () => this.#unmount(name));
    }
  }

  async #mount({ path, options }: Volume): Promise<void> {
    const { mounter } = this.#options;
    const wanted = deviceOf(options);
    if (wanted === undefined || (await mounter.mounted()).includes(path)) return;
    await mounter.mount(await resolveServer(wanted, (host) => mounter.lookup(host)), path);
  }

  async #unmount(name: string): Promise<void> {
    const { mounter } = this.#options;
    const path = join(this.#folderOf(name), DATA);
    if (!this.#holders.has(name) && (await mounter.mounted()).includes(path)) await mounter.unmount(path);
  }

  remove(name: string, { force, usedBy }: { force: boolean; usedBy: readonly string[] }): Promise<void> {
    return this.#locks.with(name, async () => {
      if ((await this.get(name)) === undefined) {
        if (force) return;
        throw noSuchVolume(name);
      }
      checkUnused(name, [...new Set([...usedBy, ...(this.#holders.get(name) ?? [])])]);
      const { dir, random, mounter } = this.#options;
      await this.#unmount(name);
      await checkNothingMounted(this.#folderOf(name), mounter);
      const removed = join(dir, REMOVED_PREFIX + randomHex(random, 8));
      await rename(this.#folderOf(name), removed);
      await removeTree(removed, mounter);
    });
  }

  async #make(name: string, record: VolumeRecord): Promise<Volume> {
    const volume = this.#volumeOf(name, record);
    const folder = this.#folderOf(name);
    await mkdir(folder, { recursive: true, mode: 0o711 });
    await mkdir(volume.path, { recursive: true, mode: 0o755 });
    const fresh = join(folder, `.${RECORD}`);
    await writeFile(fresh, JSON.stringify(record), { mode: 0o600, flush: true });
    await rename(fresh, join(folder, RECORD));
    return volume;
  }

  #volumeOf(name: string, record: VolumeRecord): Volume {
    return { name, driver: "local", path: join(this.#folderOf(name), DATA), ...record };
  }

  #folderOf(name: string): string {
    return join(this.#options.dir, name);
  }
}

/** Never what is mounted in it: that may be somebody's server. */
async function removeTree(path: string, mounter: VolumeMounter): Promise<void> {
  await checkNothingMounted(path, mounter);
  await rm(path, { recursive: true, force: true });
}

async function checkNothingMounted(path: string, mounter: VolumeMounter): Promise<void> {
  const inside = (await mounter.mounted()).find((at) => at.startsWith(`${path}/`));
  if (inside !== undefined) throw new Fault("conflict", `cannot remove ${path}: ${inside} is mounted in it`);
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT" || error.code === "ENOTDIR" || error.code === "ENAMETOOLONG") return undefined;
  throw error;
}
