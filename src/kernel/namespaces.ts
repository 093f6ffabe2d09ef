import { existsSync, statSync } from "node:fs";
import { HOST } from "../netstate/index.ts";
import { NamespaceHandle } from "./namespace-handle.ts";
import { ourLinks, RTM_DELLINK } from "./netlink/links.ts";
import {
  isPinned,
  listPinned,
  openCurrentNetns,
  openNetns,
  pinNetnsAgain,
  pinNewNetns,
  removeStalePins,
  unpinNetns,
} from "./netns.ts";

/** The namespaces of a node: the host's, and those pinned as files in the daemon's own folder. */
export class Namespaces {
  readonly host: NamespaceHandle;
  readonly #tag: string;
  readonly #folder: string;
  readonly #open = new Map<string, NamespaceHandle>();
  readonly #watchers = new Set<(handle: NamespaceHandle) => void>();

  /** "Host" is the namespace that the process is in at this moment. */
  constructor(tag: string, folder: string) {
    this.#tag = tag;
    this.#folder = folder;
    this.host = new NamespaceHandle({ name: HOST, shared: true, fd: openCurrentNetns(), tag });
    this.#open.set(HOST, this.host);
  }

  get(name: string): NamespaceHandle | undefined {
    return this.#open.get(name);
  }

  handles(): NamespaceHandle[] {
    return [...this.#open.values()];
  }

  /** Tells of every namespace that is opened from now on, until the returned function is called. */
  onOpen(watcher: (handle: NamespaceHandle) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** The namespace, made when it is not there. `fresh`: nothing that was known of it holds. */
  ensure(name: string): { readonly handle: NamespaceHandle; readonly fresh: boolean } {
    const known = this.#open.get(name);
    if (known !== undefined && (known.shared || this.#isPinned(known)))
      return { handle: known, fresh: false };
    if (known !== undefined) {
      pinNetnsAgain(this.#folder, name, known.fd);
      return { handle: known, fresh: false };
    }
    if (!isPinned(`${this.#folder}/${name}`)) pinNewNetns(this.#folder, name);
    return { handle: this.#openPinned(name), fresh: true };
  }

  /** Namespaces of ours, pinned or still open, that are not among `wanted`. */
  unwanted(wanted: ReadonlySet<string>): string[] {
    const all = new Set([...this.#open.keys(), ...listPinned(this.#folder)]);
    return [...all].filter((name) => name !== HOST && !wanted.has(name));
  }

  destroy(name: string): void {
    this.#abandon(this.#open.get(name) ?? this.#openPinned(name));
    if (existsSync(`${this.#folder}/${name}`)) unpinNetns(this.#folder, name);
  }

  /** Lets go of all of them; they stay. */
  close(): void {
    for (const handle of this.#open.values()) handle.close();
    this.#open.clear();
  }

  /** Removes what a reboot left of pinned namespaces. */
  removeStale(): void {
    removeStalePins(this.#folder);
  }

  #openPinned(name: string): NamespaceHandle {
    const fd = openNetns(`${this.#folder}/${name}`);
    const handle = new NamespaceHandle({ name, shared: false, fd, tag: this.#tag });
    try {
      for (const watcher of this.#watchers) watcher(handle);
    } catch (error) {
      handle.close();
      throw error;
    }
    this.#open.set(name, handle);
    return handle;
  }

  #isPinned({ name, inode }: NamespaceHandle): boolean {
    const path = `${this.#folder}/${name}`;
    return existsSync(path) && statSync(path).ino === inode;
  }

  /**
   * Takes the links away and lets go of a namespace. The links first, because the kernel clears a namespace some time after
   * its last user has gone, and until then their other ends would live and their tunnel ids be taken.
   */
  #abandon(handle: NamespaceHandle): void {
    handle.route.request(RTM_DELLINK, 0, ourLinks());
    handle.close();
    this.#open.delete(handle.name);
  }
}
