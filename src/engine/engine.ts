import { Fault, KeyedLocks, messageOf, randomHex } from "../lib/index.ts";
import { peerOf, type RunChange, type RunSpec } from "../model/index.ts";
import type { ContainerEvent, ContainerState } from "../runtime/index.ts";
import { checkChange, checkConnect } from "./change-rule.ts";
import type { EngineParts } from "./engine-parts.ts";
import { Exits, type WaitCondition } from "./exits.ts";
import { checkName, randomName } from "./names.ts";
import type { ContainerNetworks, NetworkWish, SandboxPlace } from "./networks.ts";
import { planRestart, startsWithDaemon } from "./restart-rule.ts";
import { RestartWaits } from "./restart-waits.ts";
import { RunBook } from "./run-book.ts";
import { exposedBy, firstConfigOf, namesAt } from "./run-config.ts";
import { byName, type RunRecord, wishOf, withNetwork } from "./run-record.ts";
import { DEFAULT_GRACE_MS, isEnd, stillRuns } from "./stop-rule.ts";

export type { EngineParts } from "./engine-parts.ts";
export type { WaitCondition } from "./exits.ts";

/** The containers made by hand on this node. Of all methods that take an id it is the full one; those of tasks are acted on, too. */
export class Engine {
  readonly #parts: EngineParts;
  readonly #book: RunBook;
  readonly #locks = new KeyedLocks();
  readonly #exits: Exits;
  readonly #waits: RestartWaits;
  readonly #names = new Set<string>();
  /** They are stopped to be started. */
  readonly #restarting = new Set<string>();
  readonly #stop = new AbortController();

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#exits = new Exits(parts.containers);
    this.#book = new RunBook(parts.saved);
    this.#waits = new RestartWaits(parts.clock);
  }

  /** Goes on where an earlier daemon stopped: who runs keeps its place. Before the node's network is first applied. */
  async adopt(): Promise<void> {
    const { containers, networks } = this.#parts;
    const byId = new Map((await containers.list()).map((state) => [state.id, state]));
    const records = await this.#book.load((record) => {
      const status = byId.get(record.id)?.status;
      if (status === undefined) return undefined;
      return status === "running" ? record : withoutPlace(record);
    });
    const running: Parameters<ContainerNetworks["adopt"]>[0][number][] = [];
    for (const record of records) {
      const state = byId.get(record.id);
      const wish = state && record.place && (await this.#wishOf(record, state));
      if (wish !== undefined && record.place !== undefined) running.push({ wish, place: record.place });
    }
    networks.adopt(running);
  }

  /** Starts what is to run with the daemon, and what ends as its restart rule says, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { containers } = this.#parts;
    const unsubscribe = containers.subscribe((event) => this.#take(event));
    try {
      await this.#startAll();
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    } finally {
      this.#stop.abort(new Fault("unavailable", "the daemon stops"));
      unsubscribe();
      this.#waits.forgetAll();
    }
  }

  /** What is remembered of a container that was made by hand; undefined for others. */
  recordOf(id: string): RunRecord | undefined {
    return this.#book.get(id);
  }

  /** True while it waits to be started anew. */
  isRestarting(id: string): boolean {
    return this.#waits.isWaiting(id);
  }

  /** The new container's id. Faults: "invalid", "conflict" for a name that is taken, "not-found" `No such image: X`. */
  async create(spec: RunSpec, wanted: string): Promise<string> {
    const { containers, random, images, networks, host } = this.#parts;
    const taken = new Set((await containers.list()).map(({ name }) => name));
    const name =
      wanted === "" ? randomName(random, (n) => taken.has(n) || this.#names.has(n)) : checkName(wanted);
    const id = randomHex(random, 32);
    const asked: RunRecord = { id, spec, byHand: false, restarts: 0, networks: spec.networks };
    const wish = wishOf(asked, name, exposedBy(await images.resolve(spec.container.image)));
    const peerId = peerOf(spec.networkMode);
    const peer = peerId === undefined ? undefined : await this.#require(peerId);
    const named = wish === undefined ? [] : byName(wish.networks, await networks.check(wish));
    const record = { ...asked, networks: named };
    this.#names.add(name);
    try {
      await this.#book.add(record);
      const config = firstConfigOf(record, { name, host, netns: wish && networks.netnsOf(id), peer });
      await containers.create(config, undefined, { deferred: true });
      return id;
    } catch (error) {
      await this.#book.remove(id);
      throw error;
    } finally {
      this.#names.delete(name);
    }
  }

  /** False when it runs already. Faults: "conflict" for a port that is taken, "invalid" in runc's words. */
  start(id: string): Promise<boolean> {
    this.#waits.forget(id);
    return this.#locks.with(id, async () => {
      const state = await this.#require(id);
      if (state.paused === true)
        throw new Fault("conflict", "cannot start a paused container, try unpause instead");
      if (state.status === "running") return false;
      await this.#book.change(id, { byHand: false, restarts: 0 });
      await this.#startLocked(id).catch((error: unknown) => this.#gaveUp(id, error));
      return true;
    });
  }

  /** It could not be started: one that is to go when it ends goes now, and whoever waits for that is told. */
  async #gaveUp(id: string, error: unknown): Promise<never> {
    if (this.#book.get(id)?.spec.autoRemove === true) await this.#parts.containers.remove(id);
    throw error;
  }

  /** False when it does not run. `graceMs` is the container's own unless said. */
  async stop(
    id: string,
    { graceMs, signal }: { readonly graceMs?: number; readonly signal?: string } = {},
  ): Promise<boolean> {
    const isWaiting = this.#waits.forget(id);
    const state = await this.#toEnd(id);
    if (state.status !== "running") return isWaiting;
    const grace = graceMs ?? this.#book.get(id)?.spec.container.stopGraceMs ?? DEFAULT_GRACE_MS;
    await this.#parts.containers.stop(id, { graceMs: grace, ...(signal !== undefined && { signal }) });
    await this.#settled(id);
    return true;
  }

  /** Stopped if it runs, and started; one that is to go when it ends stays (moby daemon/restart.go). Faults as of `start`. */
  async restart(
    id: string,
    options: { readonly graceMs?: number; readonly signal?: string } = {},
  ): Promise<void> {
    this.#restarting.add(id);
    await this.stop(id, options).finally(() => this.#restarting.delete(id));
    await this.start(id);
    this.#parts.containers.noteRestart(id);
  }

  async kill(id: string, signal: string): Promise<void> {
    await this.#require(id);
    if (isEnd(signal)) await this.#locks.with(id, () => this.#book.change(id, { byHand: true }));
    await this.#parts.containers.kill(id, signal);
  }

  /** Its exit code, once the condition holds; begins to wait at once. */
  wait(id: string, condition: WaitCondition, signal: AbortSignal): Promise<number> {
    return this.#exits.wait(id, condition, AbortSignal.any([signal, this.#stop.signal]));
  }

  /** Faults: "conflict" in Docker's words for one that runs, unless by force. */
  async remove(
    id: string,
    { force, volumes }: { readonly force: boolean; readonly volumes: boolean },
  ): Promise<void> {
    await this.#locks.with(id, async () => {
      const state = await this.#require(id);
      if (state.status === "running" && !force) throw stillRuns(state);
      this.#waits.forget(id);
      await this.#book.change(id, { byHand: true });
    });
    await this.#parts.containers.remove(id, { keepVolumes: !volumes });
    await this.#settled(id);
  }

  async rename(id: string, name: string): Promise<void> {
    await this.#parts.containers.rename(id, checkName(name));
    await this.#parts.networks.rename(id, name);
  }

  pause(id: string): Promise<void> {
    return this.#parts.containers.pause(id);
  }

  unpause(id: string): Promise<void> {
    return this.#parts.containers.unpause(id);
  }

  /** Other limits, at once when it runs, and another restart rule. Faults: "invalid", "conflict". */
  update(id: string, { restart, limits }: RunChange): Promise<void> {
    const { containers } = this.#parts;
    return this.#locks.with(id, async () => {
      const [record, state] = [this.#book.get(id), await this.#require(id)];
      checkChange({ restart, limits }, record, state);
      if (Object.keys(limits).length > 0) await containers.update(id, limits);
      if (restart !== undefined && record !== undefined)
        await this.#book.change(id, { spec: { ...record.spec, restart } });
    });
  }

  /** One network more: at once when it runs, else from its next start on. */
  connect(id: string, wish: NetworkWish): Promise<void> {
    return this.#locks.with(id, async () => {
      const [record, state] = [this.#requireRecord(id), await this.#require(id)];
      checkConnect(record.spec);
      const { networks } = this.#parts;
      if (state.status === "running") {
        const place = await networks.connect(id, wish, this.#stop.signal);
        const ref = place.endpoints.at(-1)?.networkName ?? wish.ref;
        await this.#placed(record, state, { networks: withNetwork(record, { ...wish, ref }), place });
      } else {
        const all = { containerId: id, name: state.name, networks: [wish], ports: [] };
        const [ref = wish.ref] = await networks.check(all);
        await this.#book.change(id, { networks: withNetwork(record, { ...wish, ref }) });
      }
    });
  }

  disconnect(id: string, network: { readonly id: string; readonly name: string }): Promise<void> {
    return this.#locks.with(id, async () => {
      const [record, state] = [this.#requireRecord(id), await this.#require(id)];
      const networks = record.networks.filter(({ ref }) => ref !== network.name && ref !== network.id);
      if (state.status === "running") {
        const place = await this.#parts.networks.disconnect(id, network.id);
        await this.#placed(record, state, { networks, place });
      } else await this.#book.change(id, { networks });
    });
  }

  /** Its place is kept, and its files say it. The caller has the lock. */
  async #placed(
    { id, spec }: RunRecord,
    { config }: ContainerState,
    part: Partial<Pick<RunRecord, "networks">> & { readonly place: SandboxPlace },
  ): Promise<void> {
    const { containers, host } = this.#parts;
    await this.#book.change(id, part);
    const { gateway } = host;
    await containers.setNames(id, namesAt(spec, config, { place: part.place, gateway }));
  }

  async #startLocked(id: string): Promise<void> {
    const { networks, containers } = this.#parts;
    const record = this.#book.get(id);
    const state = await this.#require(id);
    const wish = record && (await this.#wishOf(record, state));
    if (record === undefined || wish === undefined) return void (await containers.start(id));
    const place = await networks.attach(wish, this.#stop.signal);
    try {
      await this.#placed(record, state, { place });
      await containers.start(id);
    } catch (error) {
      await this.#leave(id);
      throw error;
    }
  }

  async #wishOf(record: RunRecord, { name, image }: ContainerState): Promise<ReturnType<typeof wishOf>> {
    const exposed = record.spec.publishAll ? exposedBy(await this.#parts.images.resolve(image)) : [];
    return wishOf(record, name, exposed);
  }

  #take({ action, container }: ContainerEvent): void {
    const { log } = this.#parts;
    const { id } = container;
    const work =
      action === "die" ? this.#ended(container) : action === "destroy" ? this.#gone(id) : undefined;
    work?.catch((error: unknown) =>
      log.error("container's end not followed", { container: id, error: messageOf(error) }),
    );
  }

  /** Its place is free, whoever waits is told, and it goes or is started anew. */
  async #ended({ id, exitCode = 0, startedAt, finishedAt }: ContainerState): Promise<void> {
    const { record, stays } = await this.#locks.with(id, async () => {
      await this.#leave(id);
      return { record: this.#book.get(id), stays: this.#restarting.has(id) };
    });
    this.#exits.ended(id, exitCode);
    if (record === undefined) return;
    const { spec, byHand, restarts } = record;
    const ranMs = (finishedAt ?? 0) - (startedAt ?? 0);
    const lastWaitMs = this.#waits.lastOf(id);
    const ms = planRestart({ rule: spec.restart, exitCode, byHand, restarts, ranMs, lastWaitMs });
    if (ms !== undefined) return this.#startLater(id, ms);
    this.#waits.forget(id);
    if (spec.autoRemove && !stays) await this.#parts.containers.remove(id);
  }

  async #gone(id: string): Promise<void> {
    await this.#locks.with(id, async () => {
      await this.#leave(id);
      await this.#book.remove(id);
    });
    this.#waits.forget(id);
    this.#exits.removed(id);
  }

  #startLater(id: string, ms: number): void {
    this.#waits.begin(id, ms, () => {
      this.#startAgain(id).catch((error: unknown) => this.#notStarted(id, ms, error));
    });
  }

  async #startAgain(id: string): Promise<void> {
    await this.#locks.with(id, async () => {
      const record = this.#book.get(id);
      if (record === undefined || record.byHand) return;
      await this.#book.change(id, { restarts: record.restarts + 1 });
      await this.#startLocked(id);
    });
  }

  #notStarted(id: string, ms: number, error: unknown): void {
    const record = this.#book.get(id);
    this.#parts.log.warn("container not started anew", { container: id, error: messageOf(error) });
    if (record === undefined || this.#stop.signal.aborted) return;
    const { spec, byHand, restarts } = record;
    const again = planRestart({
      rule: spec.restart,
      exitCode: 1,
      byHand,
      restarts,
      ranMs: 0,
      lastWaitMs: ms,
    });
    if (again !== undefined) this.#startLater(id, again);
  }

  async #startAll(): Promise<void> {
    const states = await this.#parts.containers.list();
    for (const { id, status, exitCode } of states) {
      const record = this.#book.get(id);
      if (record === undefined || status === "running") continue;
      const facts = { exitCode, byHand: record.byHand, restarts: record.restarts };
      if (startsWithDaemon(record.spec.restart, facts)) {
        await this.#book.change(id, { byHand: false });
        this.#startAgain(id).catch((error: unknown) => this.#notStarted(id, 0, error));
      } else if (record.spec.autoRemove && status === "stopped") await this.#parts.containers.remove(id);
    }
  }

  /** Gives up its place on networks. The caller has the lock. */
  async #leave(id: string): Promise<void> {
    if (this.#book.get(id)?.place === undefined) return;
    await this.#parts.networks.detach(id);
    await this.#book.change(id, { place: undefined });
  }

  /** Nothing is to start it anew; how it is, once a start that was under way is through. */
  #toEnd(id: string): Promise<ContainerState> {
    return this.#locks.with(id, async () => {
      const state = await this.#require(id);
      await this.#book.change(id, { byHand: true });
      return state;
    });
  }

  /** Resolves when its end, if that has been told, is taken care of. */
  async #settled(id: string): Promise<void> {
    await this.#locks.with(id, async () => undefined);
  }

  async #require(id: string): Promise<ContainerState> {
    const state = await this.#parts.containers.get(id);
    if (state === undefined) throw new Fault("not-found", `No such container: ${id}`);
    return state;
  }

  #requireRecord(id: string): RunRecord {
    const record = this.#book.get(id);
    if (record !== undefined) return record;
    throw new Fault("forbidden", `cannot change the networks of container ${id}: it belongs to a task`);
  }
}

function withoutPlace({ place: _, ...record }: RunRecord): RunRecord {
  return record;
}
