import { type Clock, equal, Fault, type Log, messageOf, type Timer } from "../lib/index.ts";
import {
  describeOperation,
  diffNamespace,
  EMPTY_NAMESPACE,
  findClash,
  HOST,
  type Link,
  type Namespace,
  type NodeNetwork,
  type ObservedNamespace,
  type StaleConnections,
  staleConnections,
} from "../netstate/index.ts";
import { ChangeWatch } from "./change-watch.ts";
import { forgetConnections } from "./conntrack.ts";
import type { ApplyFailure, ApplyReport, Kernel, ObservedNetwork } from "./kernel.ts";
import { Namespaces } from "./namespaces.ts";
import type { RawLink } from "./netlink/links.ts";
import { countOf, planRound, type RoundPlan } from "./plan-round.ts";
import { lackOfSctp, portsInUse } from "./ports-in-use.ts";
import { type LinksOf, readNamespace, readOtherRoutes } from "./read-namespace.ts";
import { runRest, runRound, Slices } from "./round.ts";
import { countUndelivered } from "./sockets.ts";
import { NO_IPSEC } from "./xfrm.ts";

export interface LinuxKernelOptions {
  /** The swarm's prefix of devices and tables: what bears it in the host's namespace is ours. */
  readonly tag: string;
  /** The daemon's own folder for namespaces; every file in it is one of ours. */
  readonly netnsDir: string;
  readonly clock: Clock;
  readonly log: Log;
}

const QUIET_MS = 250;
/** Listing what was changed takes longer the more there is of it: it may have a hundredth of the time. */
const LISTING_SHARE = 100;

interface RoundResult {
  readonly plan: RoundPlan;
  readonly failed: ReadonlyMap<string, readonly string[]>;
}

/**
 * The real kernel. It remembers what it last made true, so that a small change costs a few system calls; what was never read,
 * failed, or was changed by somebody else is read first. "Host" is the network namespace in which the object is made.
 */
export class LinuxKernel implements Kernel {
  readonly #options: LinuxKernelOptions;
  readonly #namespaces: Namespaces;
  /** What is known to be true, by namespace. */
  readonly #applied = new Map<string, Namespace>();
  #turn: Promise<unknown> = Promise.resolve();
  #catchUp: Timer | undefined;
  #catchUpMs = 0;

  constructor(options: LinuxKernelOptions) {
    this.#options = options;
    this.#namespaces = new Namespaces(options.tag, options.netnsDir);
  }

  apply(wanted: NodeNetwork): Promise<ApplyReport> {
    return this.#inTurn(async () => {
      const failures: ApplyFailure[] = [];
      await this.#open(wanted, failures);
      const changed = Object.entries(wanted.namespaces).filter(
        ([name, want]) => !equal(this.#applied.get(name), want),
      );
      const first = await this.#round(
        wanted,
        changed.map(([name]) => name),
        true,
        failures,
      );
      let changes = countOf(first.plan);
      let { failed } = first;
      if (failed.size > 0) {
        // What was believed may be wrong: read what failed, and where the other ends of its links are, and try once more.
        const second = await this.#round(wanted, withPeers(failed.keys(), wanted), false, failures);
        changes += countOf(second.plan);
        failed = second.failed;
      }
      if (changes > 0) this.#catchUpLater();
      return { failures: distinct([...failures, ...failuresOf(failed)]), changes };
    });
  }

  sweep(wanted: NodeNetwork): Promise<string[]> {
    return this.#inTurn(async () => {
      const failures: ApplyFailure[] = [];
      await this.#open(wanted, failures);
      const { plan, failed } = await this.#round(wanted, Object.keys(wanted.namespaces), false, failures);
      const repairs = [...plan].flatMap(([name, operations]) =>
        operations.map((operation) => `${name}: ${describeOperation(operation)}`),
      );
      return [...repairs, ...[...failures, ...failuresOf(failed)].map((f) => `${f.namespace}: ${f.error}`)];
    });
  }

  observe(wanted: NodeNetwork): Promise<ObservedNetwork> {
    return this.#inTurn(async () => {
      const slices = new Slices(this.#options.clock);
      const linksOf = this.#linkReader();
      const namespaces: Record<string, ObservedNamespace> = {};
      for (const [name, want] of Object.entries(wanted.namespaces)) {
        const now = this.#read(name, want, linksOf);
        const handle = this.#namespaces.get(name);
        if (now !== undefined && handle !== undefined)
          namespaces[name] = {
            ...now,
            tables: handle.inside(() => handle.tables.readAll()),
            otherRoutes: readOtherRoutes(handle, now),
          };
        await slices.pause();
      }
      return { namespaces };
    });
  }

  watch(signal: AbortSignal, onChange: () => void): void {
    const watch = new ChangeWatch({
      ...this.#options,
      namespaces: this.#namespaces,
      appliedIn: (name) => this.#applied.get(name),
      findChanged: (names) => this.#inTurn(() => this.#findChanged(names)),
      onChange,
    });
    void watch.run(signal);
  }

  async undelivered(namespace: string): Promise<number> {
    return this.#namespaces.get(namespace)?.inside(countUndelivered) ?? 0;
  }

  async portsInUse(): Promise<ReadonlySet<string>> {
    return portsInUse();
  }

  async lackOfSctp(): Promise<string> {
    return lackOfSctp();
  }

  lackOfEncryption(): Promise<string> {
    return this.#inTurn(async () => this.#namespaces.host.xfrm?.lack() ?? NO_IPSEC);
  }

  lackOfFlowTables(): Promise<string> {
    const { host } = this.#namespaces;
    return this.#inTurn(async () => host.inside(() => host.tables.lackOfFlowTables()));
  }

  destroy(): Promise<void> {
    return this.#inTurn(async () => {
      this.#catchUp?.cancel();
      const failures: ApplyFailure[] = [];
      const wanted: NodeNetwork = { namespaces: { [HOST]: EMPTY_NAMESPACE } };
      const { failed } = await this.#round(wanted, [HOST], false, failures);
      this.#applied.clear();
      for (const { namespace, error } of [...failures, ...failuresOf(failed)])
        this.#options.log.error("network not removed", { namespace, error });
    });
  }

  /** Lets go of every descriptor; what is in the kernel stays. Watches have to be ended before. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      this.#catchUp?.cancel();
      this.#namespaces.close();
    });
  }

  /** What has waited so that an application is quick is done when there has been a moment of quiet. */
  #catchUpLater(): void {
    this.#catchUp?.cancel();
    const { clock } = this.#options;
    this.#catchUp = clock.after(Math.max(QUIET_MS, this.#catchUpMs * LISTING_SHARE), () => {
      this.#catchUp = undefined;
      this.#inTurn(async () => {
        const start = clock.now();
        const slices = new Slices(clock);
        for (const handle of this.#namespaces.handles()) {
          handle.inside(() => handle.tables.catchUp());
          await slices.pause();
        }
        this.#catchUpMs = clock.now() - start;
      }).catch((error: unknown) => {
        this.#options.log.warn("nftables not listed", { error: messageOf(error) });
      });
    });
  }

  /** Those that are not as they were made; what was known of them is forgotten. */
  async #findChanged(names: readonly string[]): Promise<string[]> {
    const linksOf = this.#linkReader();
    const slices = new Slices(this.#options.clock);
    const changed: string[] = [];
    for (const name of names) {
      const applied = this.#applied.get(name);
      const now = applied && this.#read(name, applied, linksOf);
      const [first] = now === undefined ? [] : diffNamespace(now, applied ?? EMPTY_NAMESPACE);
      if (first !== undefined) {
        this.#options.log.debug("network changed by others", {
          namespace: name,
          todo: describeOperation(first),
        });
        this.#applied.delete(name);
        changed.push(name);
      }
      await slices.pause();
    }
    return changed;
  }

  /** Opens, or makes, every namespace of the value. */
  async #open(wanted: NodeNetwork, failures: ApplyFailure[]): Promise<void> {
    const slices = new Slices(this.#options.clock);
    for (const [name, { links }] of Object.entries(wanted.namespaces)) {
      try {
        if (this.#namespaces.ensure(name).fresh) this.#forget(name, links);
      } catch (error) {
        failures.push({ namespace: name, error: messageOf(error) });
      }
      await slices.pause();
    }
  }

  /** A namespace is new, or another: nothing known of it holds, nor of links that led to it. */
  #forget(name: string, links: readonly Link[]): void {
    this.#applied.delete(name);
    for (const link of links) {
      if (link.kind !== "veth") continue;
      const { namespace, name: end } = link.peer;
      if (this.#applied.get(namespace)?.links.some((other) => other.name === end))
        this.#applied.delete(namespace);
    }
  }

  /** Looks at some namespaces, changes what differs there, and removes namespaces that are not wanted. */
  async #round(
    wanted: NodeNetwork,
    names: readonly string[],
    trusting: boolean,
    failures: ApplyFailure[],
  ): Promise<RoundResult> {
    const nows = await this.#observe(wanted, names, trusting, failures);
    const plan = planRound(nows, wanted);
    const round = {
      wanted,
      host: this.#namespaces.host,
      handleOf: (name: string) => this.#namespaces.get(name),
      made: new Set<string>(),
    };
    const made = new Set(this.#applied.keys());
    for (const [name, operations] of plan) if (operations.length > 0) this.#applied.delete(name);
    const failed = await runRound(plan, round, this.#options.clock);
    for (const [name, now] of nows) {
      const want = wanted.namespaces[name] ?? EMPTY_NAMESPACE;
      this.#forgetStale(name, want, staleConnections(now, want, made.has(name)));
    }
    await this.#removeUnwanted(wanted, failures);
    runRest(plan, round, failed);
    if (!trusting) this.#namespaces.removeStale();
    for (const name of plan.keys()) {
      const want = wanted.namespaces[name];
      if (want !== undefined && !failed.has(name)) this.#applied.set(name, want);
    }
    return { plan, failed };
  }

  /** Connections that would still be translated the old way. */
  #forgetStale(name: string, want: Namespace, stale: StaleConnections): void {
    const handle = this.#namespaces.get(name);
    if (handle === undefined) return;
    const fast = want.tables.filter(({ flowtables }) => flowtables !== undefined);
    const empty = () => handle.inside(() => fast.forEach((table) => void handle.tables.put(table)));
    const warn = (reason: string) =>
      this.#options.log.warn("stale connections not forgotten", { namespace: name, reason });
    try {
      const refusal = forgetConnections(handle.netfilter, stale, empty);
      if (refusal !== undefined) warn(refusal.text);
    } catch (error) {
      warn(messageOf(error));
    }
  }

  async #observe(
    wanted: NodeNetwork,
    names: readonly string[],
    trusting: boolean,
    failures: ApplyFailure[],
  ): Promise<Map<string, ObservedNamespace>> {
    const slices = new Slices(this.#options.clock);
    const linksOf = this.#linkReader();
    const nows = new Map<string, ObservedNamespace>();
    for (const name of names) {
      try {
        const want = wanted.namespaces[name] ?? EMPTY_NAMESPACE;
        const applied = this.#applied.get(name);
        const clash = findClash(want, applied);
        if (clash !== undefined) throw new Fault("invalid", clash);
        const now = (trusting ? applied : undefined) ?? this.#read(name, want, linksOf);
        if (now !== undefined) nows.set(name, now);
      } catch (error) {
        failures.push({ namespace: name, error: messageOf(error) });
      }
      await slices.pause();
    }
    return nows;
  }

  #read(name: string, want: Namespace, linksOf: LinksOf): ObservedNamespace | undefined {
    const handle = this.#namespaces.get(name);
    return handle === undefined ? undefined : readNamespace(handle, want, this.#options.tag, linksOf);
  }

  /** Links by namespace, each read once. */
  #linkReader(): LinksOf {
    const read = new Map<string, readonly RawLink[]>();
    return (name) => {
      const links = read.get(name) ?? this.#namespaces.get(name)?.links() ?? [];
      read.set(name, links);
      return links;
    };
  }

  async #removeUnwanted(wanted: NodeNetwork, failures: ApplyFailure[]): Promise<void> {
    const slices = new Slices(this.#options.clock);
    for (const name of this.#namespaces.unwanted(new Set(Object.keys(wanted.namespaces)))) {
      try {
        this.#applied.delete(name);
        this.#namespaces.destroy(name);
      } catch (error) {
        failures.push({ namespace: name, error: messageOf(error) });
      }
      await slices.pause();
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

/** One failure for a namespace: the first thing that went wrong, which the others often follow from. */
function failuresOf(failed: ReadonlyMap<string, readonly string[]>): ApplyFailure[] {
  return [...failed].map(([namespace, [first = "", ...others]]) => {
    const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
    return { namespace, error: `${first}${more}` };
  });
}

/** Both tries may have met the same thing. */
function distinct(failures: readonly ApplyFailure[]): ApplyFailure[] {
  return [...new Map(failures.map((f) => [`${f.namespace} ${f.error}`, f])).values()];
}

function withPeers(names: Iterable<string>, wanted: NodeNetwork): string[] {
  const all = new Set(names);
  for (const name of [...all]) {
    for (const link of wanted.namespaces[name]?.links ?? [])
      if (link.kind === "veth" && link.peer.namespace in wanted.namespaces) all.add(link.peer.namespace);
  }
  return [...all];
}
