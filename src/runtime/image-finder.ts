import type { GrpcClient } from "../grpc/index.ts";
import { Fault, type Log, messageOf } from "../lib/index.ts";
import { type Digest, nameOf, type Platform, type Reference } from "../registry/index.ts";
import type { LocalImage } from "./image.ts";
import { FactsReader, type ImageFacts } from "./image-facts.ts";
import { FOR_TASKS_LABEL } from "./image-labels.ts";
import {
  idsMatching,
  isFullId,
  noSuchImage,
  recordNameOf,
  referenceOf,
  repoNames,
  tryReference,
} from "./image-names.ts";
import { getRecord, type ImageRecord, listRecords } from "./image-records.ts";
import { parseRfc3339 } from "./image-time.ts";
import { hasSnapshot } from "./image-unpack.ts";

/** A name's record and what is behind it. */
export interface FoundImage {
  readonly record: ImageRecord;
  readonly facts: ImageFacts;
  /** The reference that found it; undefined when an id did. */
  readonly ref?: Reference;
}

/** Finds images of one containerd namespace by name, digest and id. */
export class ImageFinder {
  readonly #client: GrpcClient;
  readonly #log: Log;
  readonly #facts: FactsReader;

  constructor(parts: { readonly client: GrpcClient; readonly platform: Platform; readonly log: Log }) {
    this.#client = parts.client;
    this.#log = parts.log;
    this.#facts = new FactsReader(parts.client, parts.platform);
  }

  /** Every image whose content is here, a record each. */
  async all(): Promise<FoundImage[]> {
    const records = await listRecords(this.#client);
    const found = await Promise.all(records.map((record) => this.#open(record)));
    this.#facts.keepOnly(new Set(records.map(({ target }) => target.digest)));
    return found.flatMap((image) => image ?? []);
  }

  /** By reference, id or the beginning of an id. Fault "not-found" in Docker's words; "invalid" for an ambiguous id. */
  async require(text: string): Promise<FoundImage> {
    const ref = isFullId(text) ? undefined : tryReference(text);
    const found = ref && (await this.byReference(ref));
    if (found !== undefined) return found;
    const all = await this.all();
    const [id, another] = idsMatching(
      text,
      all.map(({ facts }) => facts.id),
    );
    if (another !== undefined) throw new Fault("invalid", `multiple IDs found with provided prefix: ${text}`);
    const byId = all.find(({ facts, record }) => facts.id === id || record.target.digest === text);
    if (byId === undefined)
      throw noSuchImage(ref === undefined || isFullId(text) ? text : shownIn(text, ref));
    return byId;
  }

  /** By name; a digest is looked for under any tag of its repository. No network, two calls to containerd. */
  async byReference(ref: Reference): Promise<FoundImage | undefined> {
    const records =
      ref.digest === undefined
        ? [await getRecord(this.#client, recordNameOf(ref))]
        : await listRecords(this.#client, `target.digest==${ref.digest}`);
    for (const record of records) {
      const own = record && referenceOf(record);
      if (record === undefined || own === undefined || nameOf(own) !== nameOf(ref)) continue;
      const found = await this.#open(record);
      if (found !== undefined) return { ...found, ref };
    }
    return undefined;
  }

  /** True when the record's image can be run: content here, layers unpacked. */
  async isWhole(record: ImageRecord): Promise<boolean> {
    const found = await this.#open(record);
    if (found === undefined) return false;
    const { topChainId } = found.facts;
    return topChainId === "" || (await hasSnapshot(this.#client, topChainId));
  }

  /** The image that these records, all of one id, are names of. */
  async describe(found: readonly FoundImage[]): Promise<LocalImage> {
    const [first] = found;
    if (first === undefined) throw new Fault("internal", "cannot describe an image without a record");
    const { id, config, topChainId } = first.facts;
    const records = found.map(({ record }) => record);
    const createdAt = config.created === undefined ? undefined : parseRfc3339(config.created);
    const labels = config.config["Labels"];
    const layerBytes = await this.#facts.layerBytesOf(first.facts);
    return {
      id,
      target: first.record.target.digest,
      ...repoNames(records),
      ...(createdAt !== undefined && { createdAt }),
      taggedAt: Math.max(...records.map(({ updatedAt }) => updatedAt)),
      sizeBytes: layerBytes.reduce((sum, bytes) => sum + bytes, 0),
      platform: config.platform,
      ...(config.author !== undefined && { author: config.author }),
      labels: typeof labels === "object" && labels !== null ? (labels as Record<string, string>) : {},
      config: config.config,
      layers: config.diffIds,
      layerBytes,
      isForTasks: records.every((record) => record.labels[FOR_TASKS_LABEL] !== undefined),
      history: config.history,
      topChainId,
    };
  }

  async #open(record: ImageRecord): Promise<FoundImage | undefined> {
    try {
      return { record, facts: await this.#facts.of(record.target) };
    } catch (error) {
      if (!Fault.is(error, "not-found") && !Fault.is(error, "invalid")) throw error;
      this.#log.debug("image record passed over", { image: record.name, reason: messageOf(error) });
      return undefined;
    }
  }
}

/** Docker names a missing image with its tag. */
function shownIn(text: string, ref: Reference): string {
  return ref.tag === undefined && ref.digest === undefined ? `${text}:latest` : text;
}

/** Records by the id of their image. */
export function groupById(found: readonly FoundImage[]): Map<Digest, FoundImage[]> {
  const groups = new Map<Digest, FoundImage[]>();
  for (const image of found) groups.set(image.facts.id, [...(groups.get(image.facts.id) ?? []), image]);
  return groups;
}
