import { mkdir } from "node:fs/promises";
import type { GrpcClient } from "../grpc/index.ts";
import {
  type Clock,
  type Instant,
  KeyedLocks,
  type Log,
  messageOf,
  type Random,
  sleep,
} from "../lib/index.ts";
import type { ContainerEvent, ContainerState, Volumes } from "./container.ts";
import { ContainerEntry, UNKNOWN_EXIT } from "./container-entry.ts";
import { followEvents, type TaskEvent } from "./container-events.ts";
import { noSuchContainer } from "./container-faults.ts";
import { FifoStore } from "./container-fifos.ts";
import { folderOf } from "./container-folder.ts";
import { type ContainerHistory, readHistory } from "./container-history.ts";
import type { ContainerRecord } from "./container-record.ts";
import { getContainer, listContainers } from "./container-store.ts";
import {
  deleteTask,
  getTask,
  isMute,
  killTask,
  listTasks,
  type TaskExit,
  type TaskState,
} from "./container-task.ts";
import { releaseVolumes } from "./container-volumes.ts";
import type { Health } from "./health.ts";
import { freshHealth } from "./health-watch.ts";
import type { LogPump, Logs } from "./log.ts";
import { wasKilledForMemory } from "./memory-kills.ts";
import { SIGKILL } from "./signals.ts";

export interface KeeperParts {
  readonly client: GrpcClient;
  readonly namespace: string;
  readonly dataDir: string;
  readonly runDir: string;
  readonly logs: Logs;
  readonly volumes: Volumes;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Who does something for containers as long as they run. */
export interface RunTender {
  started(entry: ContainerEntry): void;
  /** An earlier daemon's, or one that was out of sight with containerd; each time it is seen again. */
  found(entry: ContainerEntry): Promise<void>;
  /** Once or more. */
  ended(entry: ContainerEntry): void;
}

/** Of a container whose output goes nowhere. */
const NO_PUMP: LogPump = { close: async () => {}, detach: () => {} };

const RECONNECT_MS = 250;

/** Knows every container of the node and how it is: from containerd's lists first, then from its events. */
export class ContainerKeeper {
  readonly #parts: KeeperParts;
  readonly #entries = new Map<string, ContainerEntry>();
  readonly fifos: FifoStore;
  readonly #locks = new KeyedLocks();
  readonly #listeners = new Set<(event: ContainerEvent) => void>();
  readonly #inFlight = new Set<Promise<void>>();
  #tender: RunTender | undefined;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.fifos = new FifoStore(parts.runDir, parts.random);
  }

  all(): ContainerEntry[] {
    return [...this.#entries.values()];
  }

  get(id: string): ContainerEntry | undefined {
    return this.#entries.get(id);
  }

  /** Fault "not-found" in Docker's words. */
  require(id: string): ContainerEntry {
    const entry = this.#entries.get(id);
    if (entry === undefined) throw noSuchContainer(id);
    return entry;
  }

  /** Whoever changes a container does it here: one at a time for each. */
  locked<T>(id: string, work: () => Promise<T>): Promise<T> {
    return this.#locks.with(id, work);
  }

  /** Who is to know of runs; set before the first reconcile. */
  attend(tender: RunTender): void {
    this.#tender = tender;
  }

  /** A new container, known from now on. */
  add(record: ContainerRecord): ContainerEntry {
    const { dataDir, runDir } = this.#parts;
    const entry = new ContainerEntry(record, folderOf(dataDir, runDir, record.config.id), {});
    this.#entries.set(entry.id, entry);
    return entry;
  }

  drop(entry: ContainerEntry): void {
    this.#entries.delete(entry.id);
    entry.isRemoved = true;
    entry.taps.end();
    this.#tender?.ended(entry);
    entry.changed();
  }

  subscribe(fn: (event: ContainerEvent) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  emit(
    action: ContainerEvent["action"],
    entry: ContainerEntry,
    more: Pick<ContainerEvent, "exec" | "details"> = {},
  ): void {
    const { clock, log } = this.#parts;
    const event = { action, at: clock.now(), container: this.stateOf(entry), ...more };
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        log.error("container event not taken", { action, container: entry.id, error: messageOf(error) });
      }
    }
  }

  stateOf(entry: ContainerEntry): ContainerState {
    return entry.state(this.#parts.logs.pathOf(entry.id));
  }

  /** Goes on reading its output, or begins to; with no FIFOs yet, they are made. */
  async openPump(entry: ContainerEntry): Promise<void> {
    const { folder, record } = entry;
    const { tty, openStdin, logMaxBytes, logMaxFiles, logDriver } = record.config;
    if (entry.pump !== undefined) return;
    await mkdir(folder.runDir, { recursive: true, mode: 0o700 });
    // Nobody opens the one for input: then it is open and silent for the container, through our restarts too.
    const outputs = isMute(record.config) ? [] : tty ? [folder.stdout] : [folder.stdout, folder.stderr];
    await this.fifos.put(openStdin ? [folder.stdin, ...outputs] : outputs);
    if (isMute(record.config)) {
      entry.pump = NO_PUMP;
      return;
    }
    entry.pump = await this.#parts.logs.open(entry.id, {
      stdoutFifo: folder.stdout,
      ...(!tty && { stderrFifo: folder.stderr }),
      maxBytes: logMaxBytes,
      maxFiles: logMaxFiles,
      isDiscarded: logDriver === "none",
      tap: (stream, chunk) => entry.taps.take(stream, chunk),
    });
  }

  /** Takes the process away and what it still had to say in. The caller has the lock. */
  async dropTask(entry: ContainerEntry): Promise<void> {
    const { client } = this.#parts;
    // A shim waits seconds for the output of a process that never ran, unless that is dead.
    if (entry.hasTask && entry.status === "created") await killTask(client, entry.id, SIGKILL);
    await deleteTask(client, entry.id);
    entry.hasTask = false;
    await this.#letGo(entry);
  }

  /** Brings what is known here in line with containerd's lists. */
  async reconcile(): Promise<void> {
    const { client } = this.#parts;
    const [records, tasks] = await Promise.all([listContainers(client), listTasks(client)]);
    const byId = new Map(tasks.map((task) => [task.id, task]));
    const listed = new Set(records.map(({ config }) => config.id));
    const ids = [...listed, ...[...this.#entries.keys()].filter((id) => !listed.has(id))];
    const isNews = (id: string): boolean => {
      const entry = this.#entries.get(id);
      return entry === undefined || !listed.has(id) || !isAsKnown(entry, byId.get(id));
    };
    const look = (id: string): Promise<void> => (isNews(id) ? this.#reconcileOne(id) : this.#find(id));
    await Promise.all(ids.map((id) => this.locked(id, () => look(id))));
  }

  /** Follows containerd until the signal aborts, through its restarts too. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, namespace, clock, log } = this.#parts;
    for (let isAway = false; !signal.aborted; ) {
      try {
        const subscribed = async (): Promise<void> => {
          await this.reconcile();
          if (isAway) log.info("containerd is back");
          isAway = false;
        };
        const take = (event: TaskEvent): void => this.#take(event);
        await followEvents({ client, namespace, clock }, { subscribed, take }, signal);
      } catch (error) {
        if (signal.aborted) break;
        if (!isAway) log.warn("containerd is away, trying again", { reason: messageOf(error) });
        isAway = true;
        await sleep(clock, RECONNECT_MS, signal).catch(() => {});
      }
    }
    await Promise.all(this.#inFlight);
    await this.close();
  }

  /** Lets go of all; they run on. */
  async close(): Promise<void> {
    for (const { pump } of this.#entries.values()) pump?.detach();
    await this.fifos.close();
  }

  /** What was going on beside process 1 may have been cut off. */
  async #find(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry?.status === "running") await this.#tender?.found(entry);
  }

  async #reconcileOne(id: string): Promise<void> {
    const { client, dataDir, runDir } = this.#parts;
    const [record, task] = await Promise.all([getContainer(client, id), getTask(client, id)]);
    const known = this.#entries.get(id);
    if (record === undefined) {
      if (known !== undefined) this.drop(known);
      return;
    }
    const folder = folderOf(dataDir, runDir, id);
    const entry = known ?? new ContainerEntry(record, folder, await readHistory(folder.history));
    this.#entries.set(id, entry);
    await this.#apply(entry, task);
  }

  async #apply(entry: ContainerEntry, task: TaskState | undefined): Promise<void> {
    entry.hasTask = task !== undefined;
    if (task === undefined) {
      if (entry.status === "running") await this.#finish(entry, { exitCode: UNKNOWN_EXIT, at: undefined });
      else await releaseVolumes(entry, this.#parts.volumes, this.#parts.log);
      return;
    }
    if (task.status === "stopped" && entry.status === "stopped") return this.dropTask(entry);
    await this.openPump(entry);
    if (task.status === "stopped") {
      return this.#finish(entry, task.exit ?? { exitCode: UNKNOWN_EXIT, at: undefined });
    }
    entry.isPaused = task.isPaused;
    if (task.status === "created" || entry.status === "running") {
      entry.pid = task.pid;
      if (entry.status === "running") await this.#tender?.found(entry);
      return;
    }
    await this.started(entry, task.pid, this.#parts.clock.now());
  }

  /** Process 1 runs. The caller has the lock. */
  async started(entry: ContainerEntry, pid: number, startedAt: Instant): Promise<void> {
    const { probe } = entry.record;
    entry.pid = pid;
    entry.status = "running";
    entry.isPaused = false;
    const health = probe && freshHealth(entry.history.health);
    await this.#note(entry, { startedAt, ...(health !== undefined && { health }) });
    entry.changed();
    this.emit("start", entry);
    this.#tender?.started(entry);
  }

  /** What its probes say. On disk only what changes: a restarted daemon goes on from there. The caller has the lock. */
  async healthIs(entry: ContainerEntry, health: Health): Promise<void> {
    const isNews = health.status !== entry.history.health?.status;
    entry.health = health;
    if (!isNews) return;
    await this.#note(entry, entry.history);
    entry.changed();
    this.emit("health_status", entry);
  }

  #take(event: TaskEvent): void {
    const done = this.locked(event.id, () => this.#handle(event))
      .catch((error: unknown) => {
        const { log } = this.#parts;
        log.error("container's end not noted", { container: event.id, error: messageOf(error) });
      })
      .then(() => {
        this.#inFlight.delete(done);
      });
    this.#inFlight.add(done);
  }

  async #handle(event: TaskEvent): Promise<void> {
    const entry = this.#entries.get(event.id);
    if (entry === undefined) return;
    if (event.kind === "exit") {
      // An event of an earlier run may come late.
      if (entry.status === "running" && entry.pid === event.pid) await this.#finish(entry, event.exit);
    } else {
      await this.#lackedMemory(entry);
    }
  }

  /** Told once a run. */
  async #lackedMemory(entry: ContainerEntry): Promise<void> {
    if (entry.history.oomKilled === true) return;
    await this.#note(entry, { ...entry.history, oomKilled: true });
    this.emit("oom", entry);
  }

  /** Notes how it ended, then takes its process away: only containerd would know otherwise. */
  async #finish(entry: ContainerEntry, { exitCode, at }: TaskExit): Promise<void> {
    const { clock, log } = this.#parts;
    this.#tender?.ended(entry);
    if (await wasKilledForMemory(entry.id)) await this.#lackedMemory(entry);
    const { health, ...history } = entry.history;
    await this.#note(entry, {
      ...{ ...history, exitCode, finishedAt: at ?? clock.now() },
      ...(health !== undefined && { health: { ...health, status: "unhealthy" } }),
    });
    await this.dropTask(entry).catch(async (error: unknown) => {
      // The next reconcile finds the process again.
      log.warn("ended process not removed yet", { container: entry.id, error: messageOf(error) });
      await this.#closePump(entry);
    });
    entry.status = "stopped";
    entry.changed();
    this.emit("die", entry);
  }

  /** A full disk must not keep anybody from learning what happened. */
  async #note(entry: ContainerEntry, history: ContainerHistory): Promise<void> {
    await entry.note(history).catch((error: unknown) => {
      this.#parts.log.error("container's history not kept", { container: entry.id, error: messageOf(error) });
    });
  }

  /** What was its process's own. */
  async #letGo(entry: ContainerEntry): Promise<void> {
    const { volumes, log } = this.#parts;
    await this.#closePump(entry);
    await releaseVolumes(entry, volumes, log);
  }

  async #closePump(entry: ContainerEntry): Promise<void> {
    const { pump, input } = entry;
    entry.pump = undefined;
    entry.input = undefined;
    input?.close();
    await pump?.close();
    entry.taps.end();
  }
}

/** True when containerd's list says nothing new. */
function isAsKnown(entry: ContainerEntry, task: TaskState | undefined): boolean {
  if (task === undefined) return !entry.hasTask;
  return entry.hasTask && entry.status === task.status && entry.pump !== undefined;
}
