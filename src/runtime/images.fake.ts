import { Fault } from "../lib/index.ts";
import {
  type Digest,
  digestOf,
  familiarReference,
  formatReference,
  nameOf,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../registry/index.ts";
import type {
  EnsuredImage,
  Images,
  LocalImage,
  Pulled,
  PullOptions,
  Pushed,
  PushOptions,
  RemoveOptions,
  ResolvedImage,
} from "./image.ts";
import { FOR_TASKS_LABEL, ORIGIN_LABEL } from "./image-labels.ts";
import {
  idsMatching,
  isFullId,
  noSuchImage,
  nothingToPush,
  recordNameOf,
  referenceOf,
  repoNames,
  tagsOf,
  tryReference,
} from "./image-names.ts";
import { pushBegins } from "./image-push.ts";
import type { ImageRecord } from "./image-records.ts";
import { planRemoval, type Removal } from "./image-remove.ts";

interface FakeImage {
  readonly id: Digest;
  readonly target: Digest;
  readonly config: Readonly<Record<string, unknown>>;
}

interface Kept {
  readonly record: ImageRecord;
  readonly image: FakeImage;
}

/** Images in memory, with a registry of its own: `publish` puts an image there, `online` says whether it answers. */
export class FakeImages implements Images {
  online = true;
  readonly #published = new Map<string, FakeImage>();
  readonly #kept = new Map<string, Kept>();

  /** Puts an image into the registry under a name; its digest is made from its config and `content`. */
  publish(text: string, config: Readonly<Record<string, unknown>> = {}, content: string = text): Digest {
    const id = digestOf(JSON.stringify([config, content]));
    const image = { id, target: digestOf(id), config };
    const ref = withDefaultTag(parseReference(text));
    this.#published.set(formatReference(ref), image);
    this.#published.set(`${nameOf(ref)}@${image.target}`, image);
    return image.target;
  }

  async pull(text: string, options: PullOptions = {}): Promise<Pulled> {
    return this.#pull(withDefaultTag(parseReference(text)), options, false);
  }

  async #pull(ref: Reference, { onProgress, signal }: PullOptions, forTask: boolean): Promise<Pulled> {
    signal?.throwIfAborted();
    if (!this.online) throw new Fault("unavailable", `Get "https://${ref.domain}/v2/": connection refused`);
    onProgress?.({ status: `Pulling from ${ref.path}`, id: ref.tag ?? ref.digest ?? "" });
    const name = recordNameOf(ref);
    const image = this.#published.get(name);
    const said = `manifest for ${familiarReference(ref)} not found: manifest unknown: manifest unknown`;
    if (image === undefined) throw new Fault("not-found", said);
    const before = this.#kept.get(name);
    const isNew = before?.image.target !== image.target;
    const isTheirs = before !== undefined && before.record.labels[FOR_TASKS_LABEL] === undefined;
    this.#put(ref, image, "pull", forTask && !isTheirs);
    onProgress?.({ status: `Digest: ${image.target}` });
    const what = isNew ? "Downloaded newer image" : "Image is up to date";
    onProgress?.({ status: `Status: ${what} for ${familiarReference(ref)}` });
    return { digest: image.target, isNew };
  }

  async ensure(text: string, options: PullOptions = {}): Promise<EnsuredImage> {
    const ref = isFullId(text) ? undefined : tryReference(text);
    const here = ref && this.#byReference(ref);
    if (ref !== undefined && (ref.digest === undefined || here === undefined)) {
      await this.#pull(withDefaultTag(ref), options, true).catch((error: unknown) => {
        if (options.signal?.aborted || here === undefined) throw error;
      });
    }
    return { ref: text, id: this.#require(text).image.id };
  }

  async resolve(text: string): Promise<ResolvedImage> {
    const { id, config } = this.#require(text).image;
    return { id, config, topChainId: digestOf(`layers of ${id}`) };
  }

  async inspect(text: string): Promise<LocalImage> {
    return this.#describe(this.#require(text).image);
  }

  async list(): Promise<LocalImage[]> {
    const byId = new Map([...this.#kept.values()].map(({ image }) => [image.id, image]));
    return [...byId.values()].map((image) => this.#describe(image));
  }

  async tag(source: string, target: string): Promise<void> {
    const ref = withDefaultTag(parseReference(target));
    if (ref.digest !== undefined)
      throw new Fault("invalid", "refusing to create a tag with a digest reference");
    this.#put(ref, this.#require(source).image, "tag");
  }

  async push(text: string, { onProgress }: PushOptions = {}): Promise<Pushed[]> {
    const ref = parseReference(text);
    const here = [...this.#kept.values()].map(({ record }) => record);
    const tags = ref.tag === undefined ? tagsOf(ref, here) : [ref];
    if (tags.length === 0) throw nothingToPush(ref);
    onProgress?.(pushBegins(ref));
    return tags.map((tag): Pushed => {
      const image = this.#byReference(tag)?.image;
      if (image === undefined) throw nothingToPush(ref);
      if (!this.online) throw new Fault("unavailable", `Get "https://${ref.domain}/v2/": connection refused`);
      this.#published.set(formatReference(tag), image);
      onProgress?.({ status: `${tag.tag}: digest: ${image.target} size: 0` });
      return { tag: tag.tag ?? "", digest: image.target, size: 0 };
    });
  }

  async remove(text: string, { force = false, usersOf }: RemoveOptions): Promise<Removal[]> {
    const { image } = this.#require(text);
    const records = this.#recordsOf(image);
    const users = await usersOf(this.#describe(image));
    const tried = isFullId(text) ? undefined : tryReference(text);
    const ref = tried && this.#byReference(tried) ? tried : undefined;
    const plan = planRemoval({ text, ref, id: image.id, records, users, force });
    for (const name of plan.names) this.#kept.delete(name);
    const [first] = records;
    if (plan.keeps && first !== undefined) {
      this.#kept.set(image.id, { image, record: { ...first, name: image.id } });
    }
    const untagged = plan.untagged.map((name) => ({ untagged: name }));
    return plan.deletes ? [...untagged, { deleted: image.id }] : untagged;
  }

  #put(ref: Reference, image: FakeImage, origin: string, forTasks = false): void {
    const name = recordNameOf(ref);
    const before = this.#kept.get(name);
    if (before !== undefined && before.image.target !== image.target) {
      const kept = `${nameOf(ref)}@${before.image.target}`;
      this.#kept.set(kept, { ...before, record: { ...before.record, name: kept } });
    }
    const target = { mediaType: "", digest: image.target, size: 0 };
    this.#kept.set(name, {
      image,
      record: {
        ...{ name, target, updatedAt: 0 },
        labels: { [ORIGIN_LABEL]: origin, ...(forTasks && { [FOR_TASKS_LABEL]: "true" }) },
      },
    });
  }

  #byReference(ref: Reference): Kept | undefined {
    if (ref.digest === undefined) return this.#kept.get(recordNameOf(ref));
    return [...this.#kept.values()].find(({ record }) => {
      const own = referenceOf(record);
      return own !== undefined && nameOf(own) === nameOf(ref) && record.target.digest === ref.digest;
    });
  }

  #require(text: string): Kept {
    const ref = isFullId(text) ? undefined : tryReference(text);
    const named = ref && this.#byReference(ref);
    if (named !== undefined) return named;
    const all = [...this.#kept.values()];
    const [id, another] = idsMatching(
      text,
      all.map(({ image }) => image.id),
    );
    if (another !== undefined) throw new Fault("invalid", `multiple IDs found with provided prefix: ${text}`);
    const found = all.find(({ image }) => image.id === id || image.target === text);
    if (found === undefined) {
      throw noSuchImage(
        ref === undefined || ref.tag !== undefined || ref.digest !== undefined ? text : `${text}:latest`,
      );
    }
    return found;
  }

  #recordsOf({ id }: FakeImage): ImageRecord[] {
    return [...this.#kept.values()].filter(({ image }) => image.id === id).map(({ record }) => record);
  }

  #describe(image: FakeImage): LocalImage {
    const { id, target, config } = image;
    const platform = { os: "linux", architecture: "amd64" };
    const named = repoNames(this.#recordsOf(image));
    const layers = [digestOf(`layer of ${id}`)];
    const topChainId = digestOf(`layers of ${id}`);
    return {
      id,
      target,
      ...named,
      taggedAt: 0,
      sizeBytes: 0,
      platform,
      labels: {},
      config,
      layers,
      layerBytes: [0],
      isForTasks: this.#recordsOf(image).every(({ labels }) => labels[FOR_TASKS_LABEL] !== undefined),
      history: [],
      topChainId,
    };
  }
}
