import { type Clock, type Log, messageOf, sleep } from "../lib/index.ts";
import type { Namespace } from "../netstate/index.ts";
import { Epoll } from "./epoll.ts";
import type { NamespaceHandle } from "./namespace-handle.ts";
import type { Namespaces } from "./namespaces.ts";
import { NETLINK_NETFILTER, NETLINK_ROUTE, NETLINK_XFRM, NetlinkListener } from "./netlink/socket.ts";
import { isSuspicious } from "./suspicion.ts";

/**
 * linux/rtnetlink.h: LINK, NEIGH, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE, IPV6_IFADDR, IPV6_ROUTE, IPV6_RULE,
 * IPV4_NETCONF, IPV6_NETCONF;
 * linux/netfilter/nfnetlink.h: NFTABLES.
 */
const ROUTE_GROUPS = [1, 3, 5, 7, 8, 9, 11, 19, 24, 25];
const NFT_GROUPS = [7];
/** linux/xfrm.h: SA, POLICY. */
const XFRM_GROUPS = [3, 4];
/** How often the kernel's notes are fetched. They are kept meanwhile, and what comes together is looked at together. */
const LISTEN_MS = 100;
/** Waits between reminders while a change that was told of is not repaired; then the regular sweep has to do. */
const REMIND_MS = [300, 600, 1200, 2400];

export interface ChangeWatchParts {
  readonly namespaces: Namespaces;
  readonly tag: string;
  readonly clock: Clock;
  readonly log: Log;
  appliedIn(namespace: string): Namespace | undefined;
  /** Reads the namespaces; those that are not as they were made are forgotten and returned. */
  findChanged(namespaces: readonly string[]): Promise<string[]>;
  onChange(): void;
}

/** Hears the kernel's notes in every namespace of ours and tells when something there is no more as we made it. */
export class ChangeWatch {
  readonly #parts: ChangeWatchParts;
  readonly #epoll = new Epoll();
  readonly #listeners = new Map<number, () => void>();
  readonly #suspects = new Set<string>();
  #checking = false;

  constructor(parts: ChangeWatchParts) {
    this.#parts = parts;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { namespaces, clock, log } = this.#parts;
    const stop = namespaces.onOpen((handle) => this.#listen(handle));
    try {
      for (const handle of namespaces.handles()) this.#listen(handle);
      while (!signal.aborted) {
        for (const fd of this.#epoll.ready()) this.#listeners.get(fd)?.();
        if (this.#suspects.size > 0 && !this.#checking) void this.#check(signal);
        await sleep(clock, LISTEN_MS, signal).catch(() => undefined);
      }
    } catch (error) {
      log.error("kernel changes are no longer heard, only swept", { error: messageOf(error) });
    } finally {
      stop();
      for (const handle of namespaces.handles()) handle.detach();
      this.#epoll.close();
    }
  }

  #listen(handle: NamespaceHandle): void {
    const route = handle.inside(() => new NetlinkListener(NETLINK_ROUTE, ROUTE_GROUPS));
    this.#attach(handle, route, () => this.#hearRoute(handle, route));
    const nft = handle.inside(() => new NetlinkListener(NETLINK_NETFILTER, NFT_GROUPS));
    this.#attach(handle, nft, () => this.#hearNft(handle, nft));
    if (handle.xfrm?.port === undefined) return;
    const xfrm = handle.inside(() => new NetlinkListener(NETLINK_XFRM, XFRM_GROUPS));
    this.#attach(handle, xfrm, () => this.#hearXfrm(handle, xfrm));
  }

  #attach(handle: NamespaceHandle, listener: NetlinkListener, hear: () => void): void {
    handle.attach(() => {
      this.#listeners.delete(listener.fd);
      listener.close();
    });
    this.#listeners.set(listener.fd, hear);
    this.#epoll.add(listener.fd);
  }

  #hearRoute(handle: NamespaceHandle, listener: NetlinkListener): void {
    const { tag, namespaces, appliedIn } = this.#parts;
    const messages = listener.read();
    const ports = new Set([handle.route.port, namespaces.host.route.port]);
    const scene = { handle, tag, ports, applied: appliedIn(handle.name) };
    if (messages === "lost" || messages.some((message) => isSuspicious(message, scene)))
      this.#suspects.add(handle.name);
  }

  /** Which transaction it was is not worth reading: the generation tells whether it was ours. */
  #hearNft(handle: NamespaceHandle, listener: NetlinkListener): void {
    listener.read();
    if (!handle.tables.isSettled()) this.#suspects.add(handle.name);
  }

  /** Whoever else uses IPsec on this host changes it seldom: all of it is looked at. */
  #hearXfrm(handle: NamespaceHandle, listener: NetlinkListener): void {
    const messages = listener.read();
    if (messages === "lost" || messages.some(({ port }) => port !== handle.xfrm?.port))
      this.#suspects.add(handle.name);
  }

  async #check(signal: AbortSignal): Promise<void> {
    const { log, findChanged } = this.#parts;
    this.#checking = true;
    try {
      const suspects = [...this.#suspects];
      this.#suspects.clear();
      const changed = await findChanged(suspects);
      if (changed.length > 0) this.#tell(changed, signal).catch(() => undefined);
    } catch (error) {
      if (!signal.aborted) log.warn("cannot look at what changed in the kernel", { error: messageOf(error) });
    } finally {
      this.#checking = false;
    }
  }

  /** The listener may be busy and deaf just now, so it is reminded. */
  async #tell(changed: readonly string[], signal: AbortSignal): Promise<void> {
    const { clock, namespaces, appliedIn, onChange } = this.#parts;
    onChange();
    for (const ms of REMIND_MS) {
      await sleep(clock, ms, signal);
      const open = changed.filter((name) => namespaces.get(name) !== undefined);
      if (open.every((name) => appliedIn(name) !== undefined)) return;
      onChange();
    }
  }
}
