import { closeSync, fstatSync } from "node:fs";
import { IpvsEdge } from "./ipvs.ts";
import { linkDump, linkHeader, linkNamed, type RawLink, RTM_GETLINK, readLink } from "./netlink/links.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from "./netlink/socket.ts";
import { inside } from "./netns.ts";
import { NftTables } from "./nft-tables.ts";
import { XfrmTables } from "./xfrm.ts";

const LOOPBACK_INDEX = 1;

/** An open namespace of ours: its descriptor, and the conversations with the kernel that belong to it. */
export class NamespaceHandle {
  readonly name: string;
  /** shoald's own namespace, which others use too. */
  readonly shared: boolean;
  readonly fd: number;
  /** Tells it from another namespace under the same name. */
  readonly inode: number;
  readonly route: NetlinkSocket;
  readonly netfilter: NetlinkSocket;
  readonly tables: NftTables;
  /** In the host's namespace only. */
  readonly xfrm: XfrmTables | undefined;
  readonly ipvs: IpvsEdge;
  readonly #indexes = new Map<string, number>();
  readonly #names = new Map<number, string | undefined>();
  /** What is to be closed, the descriptor before all that was opened by it. */
  readonly #opened: { close(): void }[] = [];
  #attached: (() => void)[] = [];

  /** Takes the descriptor over, and closes it when there can be no handle. */
  constructor(options: { name: string; shared: boolean; fd: number; tag: string }) {
    const { name, shared, fd, tag } = options;
    this.name = name;
    this.shared = shared;
    this.fd = fd;
    this.#keep({ close: () => closeSync(fd) });
    try {
      this.inode = fstatSync(fd).ino;
      this.route = this.inside(() => this.#keep(new NetlinkSocket(NETLINK_ROUTE)));
      this.netfilter = this.inside(() => this.#keep(new NetlinkSocket(NETLINK_NETFILTER)));
      this.tables = this.#keep(new NftTables(this.netfilter, options));
      this.xfrm = shared ? this.inside(() => this.#keep(new XfrmTables(tag))) : undefined;
      this.ipvs = this.#keep(new IpvsEdge(fd));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Runs synchronous work in the namespace. */
  inside<T>(work: () => T): T {
    return inside(this.fd, work);
  }

  links(): RawLink[] {
    const links = this.route.dump(RTM_GETLINK, linkDump()).map(readLink);
    this.#indexes.clear();
    this.#names.clear();
    for (const link of links) this.#indexes.set(link.name, link.index);
    return links;
  }

  /** The number of a link; undefined when there is none of this name. Kept until `forgetLinks`. */
  indexOf(name: string): number | undefined {
    if (name === "lo") return LOOPBACK_INDEX;
    const known = this.#indexes.get(name);
    if (known !== undefined) return known;
    const message = this.route.find(RTM_GETLINK, linkNamed(name));
    if (message === undefined) return undefined;
    const { index } = readLink(message);
    this.#indexes.set(name, index);
    return index;
  }

  /** The name of a link by its number; undefined when it is gone. */
  nameOf(index: number): string | undefined {
    if (index === LOOPBACK_INDEX) return "lo";
    if (!this.#names.has(index)) {
      const message = this.route.find(RTM_GETLINK, linkHeader(index));
      this.#names.set(index, message === undefined ? undefined : readLink(message).name);
    }
    return this.#names.get(index);
  }

  /** Links were made or removed: numbers are asked for anew. */
  forgetLinks(): void {
    this.#indexes.clear();
    this.#names.clear();
  }

  /** Something that ends with the handle, or when it is detached. */
  attach(end: () => void): void {
    this.#attached.push(end);
  }

  detach(): void {
    for (const end of this.#attached) end();
    this.#attached = [];
  }

  close(): void {
    this.detach();
    for (const one of this.#opened.splice(0).reverse()) one.close();
  }

  #keep<T extends { close(): void }>(opened: T): T {
    this.#opened.push(opened);
    return opened;
  }
}
