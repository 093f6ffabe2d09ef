import { FakeRoot } from "../files/files.fake.ts";
import { Fault } from "../lib/index.ts";
import type { ContainerEvent, ContainerState } from "./container.ts";
import { noSuchPath } from "./container-faults.ts";
import type { ContainerTrees, FileChange, PackedTree, PathStat, WriteTree } from "./tree.ts";

interface FakeTreeParts {
  /** Fault "not-found". */
  require(id: string): ContainerState;
  emit(action: ContainerEvent["action"], id: string): void;
}

/** Each container's files are a folder of this machine, made when they are first asked for, with nothing mounted in it. */
export class FakeTrees implements ContainerTrees {
  readonly #parts: FakeTreeParts;
  readonly #roots = new Map<string, FakeRoot>();

  constructor(parts: FakeTreeParts) {
    this.#parts = parts;
  }

  async stat(id: string, path: string): Promise<PathStat> {
    return this.#at(id, path, (root) => root.stat(path));
  }

  async read(id: string, path: string, _signal?: AbortSignal): Promise<PackedTree> {
    const { stat, archive } = await this.#at(id, path, (root) => root.read(path));
    this.#parts.emit("archive-path", id);
    return { stat, archive: once(archive) };
  }

  async write(
    id: string,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    { keepsKinds }: WriteTree,
  ): Promise<void> {
    if (this.#parts.require(id).config.readOnly) {
      throw new Fault("invalid", "container rootfs is marked read-only");
    }
    await this.#at(id, path, (root) => root.write(path, archive, { keepsKinds }));
    this.#parts.emit("extract-to-dir", id);
  }

  async export(id: string): Promise<AsyncIterable<Uint8Array>> {
    const archive = this.#rootOf(id).export();
    this.#parts.emit("export", id);
    return once(archive);
  }

  /** All that is there: its image is empty. */
  async changes(id: string): Promise<readonly FileChange[]> {
    return this.#rootOf(id)
      .names()
      .map((path) => ({ kind: "added", path }));
  }

  /** Takes the folders away. */
  close(): void {
    for (const root of this.#roots.values()) root.remove();
    this.#roots.clear();
  }

  async #at<T>(id: string, path: string, work: (root: FakeRoot) => T | Promise<T>): Promise<T> {
    const root = this.#rootOf(id);
    try {
      return await work(root);
    } catch (error) {
      throw Fault.is(error, "not-found") ? noSuchPath(id, path) : error;
    }
  }

  #rootOf(id: string): FakeRoot {
    this.#parts.require(id);
    const root = this.#roots.get(id) ?? new FakeRoot();
    this.#roots.set(id, root);
    return root;
  }
}

async function* once(archive: Uint8Array): AsyncGenerator<Uint8Array> {
  yield archive;
}
