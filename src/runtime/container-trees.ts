import { mkdir } from "node:fs/promises";
import {
  Copy,
  type CopyParts,
  type FileChange,
  type Order,
  type PathStat,
  type RootPlace,
  type WriteWords,
} from "../files/index.ts";
import type { GrpcClient } from "../grpc/index.ts";
import { Fault, Gate, type Log } from "../lib/index.ts";
import type { Volumes } from "./container.ts";
import type { ContainerEntry } from "./container-entry.ts";
import { noSuchContainer, noSuchPath } from "./container-faults.ts";
import { VIEW_FOLDER } from "./container-folder.ts";
import type { ContainerKeeper } from "./container-keeper.ts";
import { getSpec, snapshotMounts } from "./container-store.ts";
import { releaseVolumes, withVolumes } from "./container-volumes.ts";
import type { OciSpec } from "./oci.ts";
import type { ContainerTrees, PackedTree, WriteTree } from "./tree.ts";

export interface TreeParts extends CopyParts {
  readonly client: GrpcClient;
  readonly keeper: ContainerKeeper;
  readonly volumes: Volumes;
  readonly runDir: string;
  readonly log: Log;
  /** Ends all of it. */
  readonly stop: AbortSignal;
}

/** Programs that copy at a time; who waits longer than this for a place goes on without one. */
const MOST_COPIES = 4;
const PATIENCE_MS = 10_000;

type PlacedOrder = Extract<Order, { readonly place: RootPlace }>;
type WantedOrder = PlacedOrder extends infer O ? (O extends PlacedOrder ? Omit<O, "place"> : never) : never;

/** Copies by the program of src/files: what runs is looked into by its process, what does not is mounted by that program for itself. */
export class RunningTrees implements ContainerTrees {
  readonly #parts: TreeParts;
  readonly #gate: Gate;

  constructor(parts: TreeParts) {
    this.#parts = parts;
    this.#gate = new Gate(MOST_COPIES, { ms: PATIENCE_MS, clock: parts.clock });
  }

  async stat(id: string, path: string): Promise<PathStat> {
    const copy = await this.#begin(id, { do: "stat", path }, this.#parts.stop);
    return copy.stat().catch(renamed(id, path));
  }

  async read(id: string, path: string, signal: AbortSignal): Promise<PackedTree> {
    const copy = await this.#begin(id, { do: "read", path }, signal);
    const stat = await copy.stat().catch(renamed(id, path));
    this.#parts.keeper.emit("archive-path", this.#parts.keeper.require(id));
    return { stat, archive: copy.archive() };
  }

  async write(
    id: string,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    { keepsKinds, asUser }: WriteTree,
    signal: AbortSignal,
  ): Promise<void> {
    const { keeper, client } = this.#parts;
    const owner = asUser ? ownerOf(keeper.require(id), await getSpec(client, id)) : {};
    const copy = await this.#begin(id, { do: "write", path, keepsKinds, ...owner }, signal);
    void copy.feed(archive);
    await copy.done().catch(renamed(id, path));
    keeper.emit("extract-to-dir", keeper.require(id));
  }

  async export(id: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const copy = await this.#begin(id, { do: "export" }, signal);
    this.#parts.keeper.emit("export", this.#parts.keeper.require(id));
    return copy.archive();
  }

  async changes(id: string): Promise<readonly FileChange[]> {
    const { keeper, client, stop } = this.#parts;
    keeper.require(id);
    const snapshot = plain(await snapshotMounts(client, id));
    const copy = await this.#gated(() => new Copy({ do: "changes", snapshot }, this.#parts, stop));
    return copy.changes();
  }

  /** One whose process has just ended is looked at once more, as one that has ended. */
  async #begin(id: string, wanted: WantedOrder, signal: AbortSignal): Promise<Copy> {
    const { keeper, stop } = this.#parts;
    const either = AbortSignal.any([signal, stop]);
    const entry = keeper.require(id);
    if (hasProcess(entry)) {
      const copy = await this.#beginRunning(entry, wanted, either);
      if (await copy.hasOpened()) return copy;
      await entry.until(() => !hasProcess(entry), either);
    }
    return this.#beginStopped(id, wanted, either);
  }

  /** Its root goes when it ends. */
  async #beginRunning(entry: ContainerEntry, wanted: WantedOrder, signal: AbortSignal): Promise<Copy> {
    const place: RootPlace = { kind: "running", pid: entry.pid, cgroup: entry.id };
    const copy = await this.#gated(() => new Copy({ ...wanted, place } as Order, this.#parts, signal));
    const over = new AbortController();
    void copy.ended.then(() => over.abort());
    const ended = () =>
      copy.kill(new Fault("conflict", `container ${entry.id} has ended while its files were copied`));
    entry.until(() => !hasProcess(entry), over.signal).then(ended, () => {});
    return copy;
  }

  /** It is not started, changed or removed before the end. */
  #beginStopped(id: string, wanted: WantedOrder, signal: AbortSignal): Promise<Copy> {
    const { keeper, volumes, log } = this.#parts;
    return new Promise((resolve, reject) => {
      const work = async (): Promise<void> => {
        const entry = keeper.get(id);
        if (entry === undefined) throw noSuchContainer(id);
        if (hasProcess(entry)) return resolve(this.#begin(id, wanted, signal));
        const place = await this.#stoppedPlace(entry);
        const copy = await withVolumes(entry, volumes, async () => {
          const begun = await this.#gated(() => new Copy({ ...wanted, place } as Order, this.#parts, signal));
          await begun.hasOpened();
          return begun;
        });
        resolve(copy);
        await copy.ended;
        await releaseVolumes(entry, volumes, log);
      };
      keeper.locked(id, work).catch(reject);
    });
  }

  async #stoppedPlace({ id, record }: ContainerEntry): Promise<RootPlace> {
    const { client, runDir } = this.#parts;
    const at = `${runDir}/${VIEW_FOLDER}`;
    const [spec, snapshot] = await Promise.all([getSpec(client, id), snapshotMounts(client, id)]);
    await mkdir(at, { recursive: true, mode: 0o700 });
    return {
      ...{ kind: "stopped", snapshot: plain(snapshot), at, readOnly: record.config.readOnly },
      binds: spec.mounts.filter(({ type }) => type === "bind").map(bindOf),
    };
  }

  /** Begins with a place, which is free again when it has ended. */
  #gated(begin: () => Copy): Promise<Copy> {
    return new Promise((resolve, reject) => {
      const work = async (): Promise<void> => {
        const copy = begin();
        resolve(copy);
        await copy.ended;
      };
      this.#gate.run(work).catch(reject);
    });
  }
}

/** Process 1 is there, be it waiting for its start: what it sees is mounted. */
function hasProcess({ status, hasTask }: ContainerEntry): boolean {
  return status === "running" || (status === "created" && hasTask);
}

function bindOf({ source, destination, options }: OciSpec["mounts"][number]) {
  return { source, target: destination, readOnly: options.includes("ro") };
}

/** Without what gRPC's messages carry besides. */
function plain(mounts: Awaited<ReturnType<typeof snapshotMounts>>) {
  return mounts.map(({ type, source, options }) => ({ type, source, options }));
}

/** Docker looks the container's user up; who runs as nobody in particular is no owner. */
function ownerOf({ record }: ContainerEntry, { process }: OciSpec): Pick<WriteWords, "owner"> {
  const { uid, gid } = process.user;
  return record.config.user || uid !== 0 ? { owner: { uid, gid } } : {};
}

function renamed(id: string, path: string): (error: unknown) => never {
  return (error) => {
    throw Fault.is(error, "not-found") ? noSuchPath(id, path) : error;
  };
}
