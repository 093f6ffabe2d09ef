import type { GrpcClient } from "../grpc/index.ts";
import { type Clock, Fault, type Log, messageOf, type Random } from "../lib/index.ts";
import {
  type Digest,
  familiarReference,
  formatPlatform,
  formatReference,
  hostPlatform,
  type Platform,
  parseReference,
  parseRegistryAuth,
  type Reference,
  type RegistryClient,
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
import { type ContainerdAddress, connectContainerd } from "./image-client.ts";
import { imageDisk } from "./image-disk.ts";
import { type FoundImage, groupById, ImageFinder } from "./image-finder.ts";
import { SharedJobs } from "./image-jobs.ts";
import { ORIGIN_LABEL } from "./image-labels.ts";
import { LayerStore } from "./image-layers.ts";
import { isFullId, nothingToPush, recordNameOf, tagsOf, tryReference } from "./image-names.ts";
import { ImageOwners } from "./image-owners.ts";
import { keepByDigest, type PullParts, pullImage } from "./image-pull.ts";
import { pushBegins, pushImage } from "./image-push.ts";
import { deleteRecord, getRecord, type ImageRecord, listRecords, putRecord } from "./image-records.ts";
import { planRemoval, type Removal } from "./image-remove.ts";
import { type SavedImage, saveImages } from "./image-save.ts";
import { hasSnapshot } from "./image-unpack.ts";
import { type LoadedImage, loadArchive } from "./load.ts";

export interface ImagesOptions {
  readonly address: ContainerdAddress;
  readonly registry: RegistryClient;
  /** What images are pulled for; this machine's, when left out. */
  readonly platform?: Platform;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  /** Told of every image that a task asks for or a container is made from. */
  readonly onUse?: (id: Digest) => void;
}

/** The images of this node, kept in one containerd namespace. Owns its connection: close it. */
export class ContainerdImages implements Images {
  readonly #parts: PullParts;
  readonly #client: GrpcClient;
  readonly #finder: ImageFinder;
  readonly #pulls = new SharedJobs<Pulled>();
  readonly #owners: ImageOwners;
  readonly #onUse: (id: Digest) => void;

  constructor({ address, platform = hostPlatform(), onUse = () => {}, ...rest }: ImagesOptions) {
    this.#client = connectContainerd(address);
    this.#finder = new ImageFinder({ client: this.#client, platform, log: rest.log });
    const isWhole = this.#finder.isWhole.bind(this.#finder);
    const layers = new LayerStore(rest.clock);
    this.#parts = { ...rest, address, platform, client: this.#client, layers, isWhole };
    this.#owners = new ImageOwners(this.#client, rest.clock);
    this.#onUse = onUse;
  }

  close(): void {
    this.#client.close();
  }

  async pull(text: string, options: PullOptions = {}): Promise<Pulled> {
    const ref = withDefaultTag(parseReference(text));
    return this.#owners.byHand(recordNameOf(ref), () => this.#pull(ref, options));
  }

  async #pull(ref: Reference, options: PullOptions): Promise<Pulled> {
    const platform = options.platform ?? this.#parts.platform;
    const credentials = options.auth === undefined ? undefined : parseRegistryAuth(options.auth);
    // The auth is a part of the key: nobody gets an image by another's credentials.
    const key = JSON.stringify([recordNameOf(ref), formatPlatform(platform), options.auth ?? ""]);
    const { onProgress, signal } = options;
    return this.#pulls.run(
      key,
      (stop, tell) => pullImage(this.#parts, { ref, credentials, platform, tell, signal: stop }),
      { onProgress, signal },
    );
  }

  async ensure(text: string, options: PullOptions = {}): Promise<EnsuredImage> {
    const ref = isFullId(text) ? undefined : tryReference(text);
    if (ref === undefined) return this.#ensured(text);
    if (ref.digest !== undefined && (await this.#isHere(ref))) return this.#ensured(text);
    try {
      const wanted = withDefaultTag(ref);
      await this.#owners.forTask(recordNameOf(wanted), () => this.#pull(wanted, options));
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(await this.#isHere(ref))) throw error;
      this.#parts.log.warn("image not pulled, the local one is taken", {
        image: text,
        reason: messageOf(error),
      });
    }
    return this.#ensured(text);
  }

  /** Of the file system that images lie on; undefined when containerd does not say which. */
  disk(): ReturnType<typeof imageDisk> {
    return imageDisk(this.#client);
  }

  async resolve(text: string): Promise<ResolvedImage> {
    const { id, config, topChainId } = (await this.#finder.require(text)).facts;
    this.#onUse(id);
    return { id, config: config.config, topChainId };
  }

  async inspect(text: string): Promise<LocalImage> {
    const { facts } = await this.#finder.require(text);
    return this.#finder.describe(groupById(await this.#finder.all()).get(facts.id) ?? []);
  }

  async list(): Promise<LocalImage[]> {
    const groups = [...groupById(await this.#finder.all()).values()];
    const images = await Promise.all(groups.map((group) => this.#finder.describe(group)));
    return images.sort((a, b) => (b.createdAt ?? 0) - (a.createdAt ?? 0) || (a.id < b.id ? -1 : 1));
  }

  async tag(source: string, target: string): Promise<void> {
    const ref = withDefaultTag(parseReference(target));
    if (ref.digest !== undefined)
      throw new Fault("invalid", "refusing to create a tag with a digest reference");
    const { record } = await this.#finder.require(source);
    const name = formatReference(ref);
    await this.#makeRoom(ref, record.target.digest);
    await putRecord(
      this.#client,
      { name, target: record.target, labels: { [ORIGIN_LABEL]: "tag" } },
      this.#parts.clock.now(),
    );
    if (isFullId(record.name)) await deleteRecord(this.#client, record.name);
  }

  async remove(text: string, { force = false, usersOf }: RemoveOptions): Promise<Removal[]> {
    const found = await this.#finder.require(text);
    const group = groupById(await this.#finder.all()).get(found.facts.id) ?? [found];
    const image = await this.#finder.describe(group);
    const records = group.map(({ record }) => record);
    const users = await usersOf(image);
    const plan = planRemoval({ text, ref: found.ref, id: image.id, records, users, force });
    const [first] = records;
    if (plan.keeps && first !== undefined) {
      await putRecord(this.#client, { ...first, name: image.id }, this.#parts.clock.now());
    }
    for (const name of plan.names.filter((n) => !plan.keeps || n !== image.id)) {
      await deleteRecord(this.#client, name, plan.deletes && name === plan.names.at(-1));
    }
    const untagged = plan.untagged.map((name) => ({ untagged: name }));
    return plan.deletes ? [...untagged, ...(await this.#deletedOf(image, found.facts.chain))] : untagged;
  }

  async push(text: string, { auth, onProgress = () => {}, signal }: PushOptions = {}): Promise<Pushed[]> {
    const repository = parseReference(text);
    const credentials = auth === undefined ? undefined : parseRegistryAuth(auth);
    const pushed: Pushed[] = [];
    for (const ref of await this.#tagsFor(repository)) {
      const found = await this.#finder.byReference(ref);
      if (found === undefined) throw nothingToPush(repository);
      if (pushed.length === 0) onProgress(pushBegins(ref));
      const request = { ref, credentials, tell: onProgress, signal };
      const { digest, size } = await pushImage(this.#parts, found.facts, request);
      pushed.push({ tag: ref.tag ?? "", digest, size });
    }
    return pushed;
  }

  /**
   * The images of these names as one archive that `load` and Docker read; a repository without a tag means all of its tags. Fault
   * "not-found" before the first byte when one is not here.
   */
  async save(names: readonly string[]): Promise<AsyncIterable<Uint8Array>> {
    const records = await listRecords(this.#client);
    const saved = new Map<Digest, SavedImage>();
    for (const text of names) {
      for (const { facts, ref } of await this.#foundFor(text, records)) {
        const known = saved.get(facts.id)?.names ?? [];
        saved.set(facts.id, { facts, names: ref?.tag === undefined ? known : [...known, savedName(ref)] });
      }
    }
    return saveImages(this.#client, [...saved.values()]);
  }

  /** Takes in a `docker save` archive or an OCI layout, as a tar or tar.gz stream; all of it or nothing. */
  async load(
    archive: AsyncIterable<Uint8Array>,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<LoadedImage[]> {
    const makeRoom = this.#makeRoom.bind(this);
    return loadArchive({ ...this.#parts, makeRoom }, archive, options.signal);
  }

  /** The tag that was named, or all that the repository has. */
  async #tagsFor(ref: Reference): Promise<Reference[]> {
    if (ref.digest !== undefined) {
      throw new Fault("invalid", "cannot push a digest reference");
    }
    if (ref.tag !== undefined) return [ref];
    const tags = tagsOf(ref, await listRecords(this.#client));
    if (tags.length === 0) throw nothingToPush(ref);
    return tags;
  }

  async #foundFor(text: string, records: readonly ImageRecord[]): Promise<FoundImage[]> {
    const ref = isFullId(text) ? undefined : tryReference(text);
    const isRepository = ref !== undefined && ref.tag === undefined && ref.digest === undefined;
    const tags = isRepository ? tagsOf(ref, records) : [];
    const found = await Promise.all(tags.map((tag) => this.#finder.byReference(tag)));
    return tags.length > 0 ? found.flatMap((image) => image ?? []) : [await this.#finder.require(text)];
  }

  async #isHere(ref: Reference): Promise<boolean> {
    const found = await this.#finder.byReference(ref);
    return found !== undefined && (await this.#finder.isWhole(found.record));
  }

  async #ensured(text: string): Promise<EnsuredImage> {
    const { facts } = await this.#finder.require(text);
    this.#onUse(facts.id);
    return { ref: text, id: facts.id };
  }

  /** Before a name moves to `digest`: what it names now stays under its own digest. */
  async #makeRoom(ref: Reference, digest: string): Promise<void> {
    const before = await getRecord(this.#client, formatReference(ref));
    if (before === undefined || before.target.digest === digest) return;
    await keepByDigest(this.#client, ref, before, this.#parts.clock);
  }

  /** The image and those of its layers that are gone now; others may still lie on the rest. */
  async #deletedOf(image: LocalImage, chain: readonly { readonly chainId: string }[]): Promise<Removal[]> {
    const deleted: Removal[] = [{ deleted: image.id }];
    for (const { chainId } of chain.toReversed()) {
      if (await hasSnapshot(this.#client, chainId)) break;
      deleted.push({ deleted: chainId });
    }
    return deleted;
  }
}

function savedName(ref: Reference): SavedImage["names"][number] {
  return { full: formatReference(ref), familiar: familiarReference(ref), tag: ref.tag ?? "" };
}
