import { type Clock, Fault, Queue } from "../lib/index.ts";
import type {
  DistributionInfo,
  EngineEvent,
  EventBackend,
  ImageBackend,
  ImageInfo,
  PullProgress,
  PushedTag,
  RegistryLogin,
  VolumeBackend,
  VolumeInfo,
} from "./backends.ts";

/** "docker.io/library/redis" is "redis:latest". */
function familiar(ref: string): string {
  const name = ref.replace(/^docker\.io\/(library\/)?/, "");
  return name.includes(":") ? name : `${name}:latest`;
}

interface Published {
  readonly image: ImageInfo;
  readonly steps: readonly PullProgress[];
  /** What a pull fails with after its steps. */
  readonly fault?: Fault;
}

/** Images in memory, and a registry that holds what was published. */
export class FakeImages implements ImageBackend {
  readonly #here = new Map<string, ImageInfo>();
  readonly #published = new Map<string, Published>();
  /** What the last pull came with. */
  lastAuth: string | undefined;

  put(image: ImageInfo): void {
    this.#here.set(image.id, image);
  }

  publish(name: string, published: Published): void {
    this.#published.set(familiar(name), published);
  }

  async list(): Promise<ImageInfo[]> {
    return [...this.#here.values()];
  }

  async inspect(ref: string): Promise<ImageInfo> {
    const hex = ref.replace(/^sha256:/, "");
    for (const image of this.#here.values()) {
      const names = [...image.repoTags, ...image.repoDigests];
      if (names.includes(ref) || names.includes(`${ref}:latest`)) return image;
      if (hex !== "" && image.id.slice("sha256:".length).startsWith(hex)) return image;
    }
    throw new Fault("not-found", `No such image: ${ref.includes(":") ? ref : `${ref}:latest`}`);
  }

  async pull(
    ref: string,
    { auth, onProgress, signal }: Parameters<ImageBackend["pull"]>[1],
  ): Promise<{ digest: string; isNew: boolean }> {
    this.lastAuth = auth;
    const found = this.#require(ref);
    for (const step of found.steps) onProgress(step);
    if (found.fault !== undefined) throw found.fault;
    signal.throwIfAborted();
    const isNew = !this.#here.has(found.image.id);
    this.put(found.image);
    return { digest: found.image.target, isNew };
  }

  #require(ref: string): Published {
    const found = this.#published.get(familiar(ref));
    if (found !== undefined) return found;
    const reason = "repository does not exist or may require 'docker login'";
    throw new Fault("not-found", `pull access denied for ${ref}, ${reason}`);
  }

  /** Takes any bytes as an archive of one image that is named after their number. */
  async load(archive: AsyncIterable<Uint8Array>): Promise<{ name: string; id: string }[]> {
    let bytes = 0;
    for await (const chunk of archive) bytes += chunk.length;
    if (bytes === 0) throw new Fault("invalid", "cannot load images: the archive is empty");
    return [{ name: `loaded:${bytes}`, id: `sha256:${"e".repeat(64)}` }];
  }

  /** What was pushed, newest last. */
  readonly pushed: string[] = [];
  /** The one who may log in: "user:password". */
  user = "user:word";

  async push(
    ref: string,
    { auth, onProgress, signal }: Parameters<ImageBackend["push"]>[1],
  ): Promise<PushedTag[]> {
    this.lastAuth = auth;
    const image = await this.inspect(ref);
    onProgress({ id: "5f70bf18a086", status: "Preparing" });
    signal.throwIfAborted();
    if (!ref.startsWith("reg.test/"))
      throw new Fault("forbidden", "denied: requested access to the resource is denied");
    this.pushed.push(ref);
    return [{ tag: ref.split(":").at(-1) ?? "", digest: image.target, size: 1234 }];
  }

  /** The names, a line each. */
  async save(refs: readonly string[]): Promise<AsyncIterable<Uint8Array>> {
    for (const ref of refs) await this.inspect(ref);
    return (async function* () {
      for (const ref of refs) yield Buffer.from(`${ref}\n`);
    })();
  }

  async login({ server, username, password }: RegistryLogin): Promise<void> {
    if (`${username}:${password}` !== this.user)
      throw new Fault("unauthorized", `login attempt to ${server} failed with status: 401 Unauthorized`);
  }

  async tag(source: string, target: string): Promise<void> {
    const image = await this.inspect(source);
    const name = familiar(target);
    this.put({ ...image, repoTags: [...new Set([...image.repoTags, name])] });
  }

  async remove(ref: string): Promise<({ untagged: string } | { deleted: string })[]> {
    const image = await this.inspect(ref);
    const kept = image.repoTags.filter((name) => name !== ref && name !== `${ref}:latest`);
    if (kept.length > 0 && kept.length < image.repoTags.length) {
      this.put({ ...image, repoTags: kept });
      return [{ untagged: ref }];
    }
    this.#here.delete(image.id);
    return [...image.repoTags.map((untagged) => ({ untagged })), { deleted: image.id }];
  }

  async distribution(ref: string, auth?: string): Promise<DistributionInfo> {
    this.lastAuth = auth;
    const { image } = this.#require(ref);
    return {
      descriptor: {
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest: image.target,
        size: 1234,
      },
      platforms: [{ architecture: "amd64", os: "linux" }],
    };
  }
}

/** Volumes in memory; one is in use when `users` names it. */
export class FakeVolumes implements VolumeBackend {
  readonly #all = new Map<string, VolumeInfo>();
  readonly #clock: Clock;
  readonly bytes: Map<string, number> = new Map<string, number>();
  readonly users: Map<string, string> = new Map<string, string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async list(): Promise<VolumeInfo[]> {
    return [...this.#all.values()];
  }

  async get(name: string): Promise<VolumeInfo> {
    const found = this.#all.get(name);
    if (found === undefined) throw new Fault("not-found", `get ${name}: no such volume`);
    return found;
  }

  async create(wanted: Parameters<VolumeBackend["create"]>[0]): Promise<VolumeInfo> {
    const name = wanted.name === "" ? "a".repeat(64) : wanted.name;
    const volume = {
      ...wanted,
      name,
      anonymous: wanted.name === "",
      path: `/var/lib/shoal/volumes/${name}/_data`,
      createdAt: this.#clock.now(),
      ...this.#all.get(name),
    };
    this.#all.set(name, volume);
    return volume;
  }

  async bytesOf(name: string): Promise<number> {
    return this.bytes.get(name) ?? 0;
  }

  async remove(name: string, force: boolean): Promise<void> {
    if (!this.#all.has(name) && force) return;
    await this.get(name);
    const user = this.users.get(name);
    if (user !== undefined) throw new Fault("conflict", `remove ${name}: volume is in use - [${user}]`);
    this.#all.delete(name);
  }
}

/** All events since the start, and whoever listens. */
export class FakeEvents implements EventBackend {
  readonly #past: EngineEvent[] = [];
  readonly #listeners = new Set<Queue<EngineEvent>>();

  publish(event: EngineEvent): void {
    this.#past.push(event);
    for (const listener of this.#listeners) listener.push(event);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  async *subscribe(since: number | undefined, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    const queue = new Queue<EngineEvent>();
    if (since !== undefined) for (const event of this.#past) if (event.at >= since) queue.push(event);
    this.#listeners.add(queue);
    signal.addEventListener("abort", () => queue.close(), { once: true });
    if (signal.aborted) queue.close();
    try {
      yield* queue;
    } finally {
      this.#listeners.delete(queue);
    }
  }
}
