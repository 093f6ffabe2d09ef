import { availableParallelism } from "node:os";
import type { GrpcClient } from "../grpc/index.ts";
import { type Clock, equal, Fault, Gate, type Log, type Random } from "../lib/index.ts";
import type {
  ContainerConfig,
  ContainerEvent,
  ContainerState,
  Containers,
  FileContents,
  LogEntry,
  LogOptions,
  Resources,
  Volumes,
} from "./container.ts";
import { ContainerControl } from "./container-control.ts";
import type { ContainerEntry } from "./container-entry.ts";
import { UNKNOWN_EXIT } from "./container-entry.ts";
import { ContainerExecs } from "./container-exec.ts";
import { logNotKept, nameTaken, noHealthCheck, noSuchContainer, notRunning } from "./container-faults.ts";
import { ContainerHealths } from "./container-health.ts";
import { ContainerKeeper } from "./container-keeper.ts";
import { type MakerParts, makeContainer, removeContainer, writeNames } from "./container-maker.ts";
import { type SnapshotMounts, snapshotMounts, unlessGone } from "./container-store.ts";
import { RunningStreams } from "./container-streams.ts";
import { sweep } from "./container-sweep.ts";
import { createTask, startTask } from "./container-task.ts";

import { RunningTrees } from "./container-trees.ts";
import { holdersOf, withVolumes } from "./container-volumes.ts";
import { readLeftOutput } from "./exec-left.ts";
import { listPids } from "./exec-task.ts";
import type { ExecConfig, ExecResult, HealthStatus } from "./health.ts";
import type { Images } from "./image.ts";
import { type ContainerdAddress, connectContainerd } from "./image-client.ts";
import { snapshotBytes } from "./image-unpack.ts";
import type { Logs } from "./log.ts";
import { LogStore } from "./log-store.ts";
import { readMachine } from "./machine.ts";
import type { ContainerStreams } from "./program.ts";
import { joinNetwork, namesFolderOf } from "./shared-network.ts";
import { SIGKILL, signalNumber } from "./signals.ts";
import type { ContainerTrees } from "./tree.ts";
import { UserFilesCache } from "./user-files.ts";

export interface ContainersOptions {
  readonly address: ContainerdAddress;
  readonly images: Images;
  readonly volumes: Volumes;
  /** A folder a container: its files, history and log. */
  readonly dataDir: string;
  /** A folder a container: its FIFOs. */
  readonly runDir: string;
  /** The program that copies files, where it is not the built one. */
  readonly copyProgram?: URL;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

type OpenParts = MakerParts & Pick<ContainersOptions, "copyProgram">;

/** How long a process may take to die of SIGKILL. */
const KILL_MS = 10_000;
/** How long a start waits at most for those before it: one that hangs must not stop a node. */
const GATE_PATIENCE_MS = 10_000;

/**
 * The containers of this node: all of one containerd namespace, which is ours alone. They outlive the daemon: the next one
 * opens the same namespace and folders and goes on.
 */
export class ContainerdContainers implements Containers {
  readonly #client: GrpcClient;
  readonly #maker: MakerParts;
  readonly #logs: Logs;
  readonly #keeper: ContainerKeeper;
  readonly #creating = new Map<string, string>();
  /** A start keeps a CPU busy: fifty at once would leave none to answer anybody. */
  readonly #gate: Gate;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  readonly streams: ContainerStreams;
  readonly trees: ContainerTrees;
  readonly #execs: ContainerExecs;
  readonly #healths: ContainerHealths;
  readonly #control: ContainerControl;

  private constructor(client: GrpcClient, maker: OpenParts, logs: Logs, keeper: ContainerKeeper) {
    const { clock, random, log } = maker;
    this.#client = client;
    this.#gate = new Gate(Math.max(2, availableParallelism()), { ms: GATE_PATIENCE_MS, clock });
    this.#maker = maker;
    this.#logs = logs;
    this.#keeper = keeper;
    this.#execs = new ContainerExecs({ client, keeper, machine: maker.machine, clock, random, log });
    this.streams = new RunningStreams({
      client,
      keeper,
      execs: this.#execs,
      clock,
      log,
      stop: this.#stop.signal,
    });
    const { runDir, volumes, copyProgram: program } = maker;
    this.trees = new RunningTrees({
      ...{ client, keeper, runDir, volumes, clock, log, stop: this.#stop.signal },
      ...(program !== undefined && { program }),
    });
    this.#control = new ContainerControl({ client, keeper, machine: maker.machine });
    this.#healths = new ContainerHealths({ keeper, execs: this.#execs, clock, random, log });
    keeper.attend({
      started: (entry) => this.#healths.running(entry, false),
      found: async (entry) => {
        await this.#execs.sweep(entry);
        this.#healths.running(entry, true);
      },
      ended: (entry) => this.#healths.ended(entry),
    });
  }

  /** Finds the containers of earlier daemons and goes on with their output. Fault "unavailable" without containerd. */
  static async open({ address, ...rest }: ContainersOptions): Promise<ContainerdContainers> {
    const client = connectContainerd(address);
    const { dataDir, clock, log } = rest;
    const logs = new LogStore({ folder: (id) => `${dataDir}/${id}`, clock, log });
    const keeper = new ContainerKeeper({ ...rest, client, namespace: address.namespace, logs });
    try {
      const maker = { ...rest, client, machine: await readMachine(), userFiles: new UserFilesCache() };
      const endReading = await readLeftOutput(rest);
      await sweep(maker);
      const containers = new ContainerdContainers(client, maker, logs, keeper);
      await keeper.reconcile().finally(endReading);
      await rest.volumes.restore(holdersOf(keeper.all()));
      containers.#running = keeper.run(containers.#stop.signal);
      return containers;
    } catch (error) {
      await keeper.close();
      client.close();
      throw error;
    }
  }

  /** Lets go of all containers; they run on, and their output waits for the next daemon. */
  async close(): Promise<void> {
    await this.#healths.close();
    this.#stop.abort(new Fault("unavailable", "the runtime is closed"));
    await this.#execs.close();
    await this.#running;
    this.#client.close();
  }

  async list(labels: Readonly<Record<string, string>> = {}): Promise<ContainerState[]> {
    const wanted = Object.entries(labels);
    return this.#keeper
      .all()
      .filter(({ record }) => wanted.every(([key, value]) => hasLabel(record.config.labels, key, value)))
      .map((entry) => this.#keeper.stateOf(entry));
  }

  async get(id: string): Promise<ContainerState | undefined> {
    const entry = this.#keeper.get(id);
    return entry && this.#keeper.stateOf(entry);
  }

  async bytesOf(id: string): Promise<number> {
    try {
      return await snapshotBytes(this.#client, id);
    } catch (error) {
      unlessGone(error);
      return 0;
    }
  }

  async create(
    config: ContainerConfig,
    contents: FileContents = new Map(),
    { deferred = false }: { readonly deferred?: boolean } = {},
  ): Promise<void> {
    if (this.#isMade(config)) return;
    this.#claimName(config);
    this.#creating.set(config.id, config.name);
    try {
      await this.#gate.run(() =>
        this.#keeper.locked(config.id, () => this.#create(config, contents, deferred)),
      );
    } finally {
      this.#creating.delete(config.id);
    }
  }

  async setNames(id: string, names: Pick<ContainerConfig, "hosts" | "dns">): Promise<void> {
    await writeNames(this.#keeper.require(id).folder, names);
  }

  rename(id: string, name: string): Promise<void> {
    return this.#control.rename(id, name, () => this.#claimName({ id, name }));
  }

  start(id: string): Promise<number> {
    return this.#gate.run(() => this.#keeper.locked(id, () => this.#start(this.#keeper.require(id))));
  }

  async wait(id: string, signal: AbortSignal): Promise<{ readonly exitCode: number }> {
    const entry = this.#keeper.require(id);
    await entry.ended(AbortSignal.any([signal, this.#stop.signal]));
    if (entry.status !== "stopped") throw noSuchContainer(id);
    return { exitCode: entry.history.exitCode ?? UNKNOWN_EXIT };
  }

  async stop(
    id: string,
    { graceMs, signal }: { readonly graceMs: number; readonly signal?: string },
  ): Promise<void> {
    const entry = this.#keeper.require(id);
    const number = signal === undefined ? entry.record.stopSignal : signalNumber(signal);
    if (entry.status !== "running") return;
    await this.#control.signal(entry, number);
    await this.#control.thaw(entry);
    if (!(await this.#endsWithin(entry, graceMs))) await this.#killForGood(entry);
    this.#keeper.emit("stop", entry);
  }

  noteRestart(id: string): void {
    const entry = this.#keeper.get(id);
    if (entry !== undefined) this.#keeper.emit("restart", entry);
  }

  kill(id: string, signal: string): Promise<void> {
    return this.#control.kill(id, signal);
  }

  pause(id: string): Promise<void> {
    return this.#control.pause(id);
  }

  unpause(id: string): Promise<void> {
    return this.#control.unpause(id);
  }

  /** Pids, as its machine counts them, of all that runs in it. Fault "conflict" when it does not run. */
  async pids(id: string): Promise<number[]> {
    if (this.#keeper.require(id).status !== "running") throw notRunning(id);
    return listPids(this.#client, id);
  }

  update(id: string, resources: Resources): Promise<void> {
    return this.#control.update(id, resources);
  }

  async remove(id: string, { keepVolumes = false }: { readonly keepVolumes?: boolean } = {}): Promise<void> {
    const known = this.#keeper.get(id);
    if (known?.status === "running") await this.#killForGood(known);
    await this.#keeper.locked(id, async () => {
      const entry = this.#keeper.get(id);
      if (entry === undefined) return;
      await this.#keeper.dropTask(entry);
      await this.#logs.remove(id);
      await removeContainer(this.#maker, id, keepVolumes ? [] : entry.record.ownVolumes);
      this.#keeper.emit("destroy", entry);
      this.#keeper.drop(entry);
    });
  }

  async *logs(
    id: string,
    options: LogOptions,
    signal: AbortSignal,
  ): AsyncGenerator<LogEntry, void, undefined> {
    const entry = this.#keeper.require(id);
    if (entry.record.config.logDriver === "none") throw logNotKept();
    const isRunning = (): boolean => entry.status !== "stopped" && !entry.isRemoved;
    yield* this.#logs.read(id, options, isRunning, signal);
  }

  async exec(id: string, config: ExecConfig, signal: AbortSignal): Promise<ExecResult> {
    const entry = this.#keeper.require(id);
    if (entry.status !== "running") throw notRunning(id);
    const either = AbortSignal.any([signal, this.#stop.signal]);
    const result = await this.#execs.run(entry, config, either);
    either.throwIfAborted();
    return result;
  }

  async waitHealth(
    id: string,
    signal: AbortSignal,
    known: HealthStatus = "starting",
  ): Promise<"healthy" | "unhealthy"> {
    const entry = this.#keeper.require(id);
    if (entry.record.probe === undefined) throw noHealthCheck(id);
    const now = (): HealthStatus | undefined =>
      entry.status === "running" ? entry.history.health?.status : undefined;
    while (true) {
      const status = now();
      if (status !== undefined && status !== "starting" && status !== known) return status;
      await entry.until(() => now() !== status, AbortSignal.any([signal, this.#stop.signal]));
      if (entry.isRemoved) throw noSuchContainer(id);
    }
  }

  subscribe(fn: (event: ContainerEvent) => void): () => void {
    return this.#keeper.subscribe(fn);
  }

  /** True when an earlier try that seemed to fail made exactly this container. */
  #isMade(config: ContainerConfig): boolean {
    const entry = this.#keeper.get(config.id);
    if (entry === undefined) return false;
    if (entry.status === "created" && equal(entry.record.config, config)) return true;
    throw new Fault("exists", `cannot create container ${config.id}: it is there already`);
  }

  #claimName({ id, name }: Pick<ContainerConfig, "id" | "name">): void {
    const known = this.#keeper.all().map((entry) => [entry.id, entry.record.config.name] as const);
    const [owner] = [...known, ...this.#creating].find((other) => other[1] === name && other[0] !== id) ?? [];
    if (owner === undefined) return;
    throw nameTaken(name, owner);
  }

  async #create(config: ContainerConfig, contents: FileContents, deferred: boolean): Promise<void> {
    if (this.#isMade(config)) return;
    const names = namesFolderOf(this.#keeper, config);
    const { record, rootfs } = await makeContainer(this.#maker, config, contents, names);
    const entry = this.#keeper.add(record);
    try {
      if (!deferred) await this.#makeTask(entry, rootfs);
    } catch (error) {
      // As with Docker, what cannot run is found when it is started: the start tries again.
      if (!Fault.is(error, "invalid")) {
        this.#keeper.drop(entry);
        await removeContainer(this.#maker, config.id, record.ownVolumes).catch(() => {});
        throw error;
      }
    }
    this.#keeper.emit("create", entry);
  }

  async #start(entry: ContainerEntry): Promise<number> {
    if (entry.status === "running") return entry.pid;
    if (entry.status === "stopped" && entry.hasTask) await this.#keeper.dropTask(entry);
    if (!entry.hasTask) await this.#makeTask(entry, await snapshotMounts(this.#client, entry.id));
    const now = this.#maker.clock.now();
    try {
      await this.#keeper.started(entry, await startTask(this.#client, entry.id), now);
    } catch (error) {
      if (!Fault.is(error, "unavailable")) await this.#keeper.dropTask(entry);
      throw error;
    }
    return entry.pid;
  }

  async #makeTask(entry: ContainerEntry, rootfs: SnapshotMounts): Promise<void> {
    await joinNetwork(this.#keeper, entry);
    await this.#keeper.openPump(entry);
    try {
      entry.pid = await withVolumes(entry, this.#maker.volumes, () =>
        createTask(this.#client, entry.id, entry, rootfs),
      );
      entry.hasTask = true;
    } catch (error) {
      await entry.pump?.close();
      entry.pump = undefined;
      throw error;
    }
  }

  async #killForGood(entry: ContainerEntry): Promise<void> {
    await this.#control.signal(entry, SIGKILL);
    if (await this.#endsWithin(entry, KILL_MS)) return;
    throw new Fault("timeout", `cannot stop container ${entry.id}: it does not die of SIGKILL`);
  }

  async #endsWithin(entry: ContainerEntry, ms: number): Promise<boolean> {
    const late = new AbortController();
    const timer = this.#maker.clock.after(ms, () => late.abort());
    try {
      await entry.ended(AbortSignal.any([late.signal, this.#stop.signal]));
      return true;
    } catch (error) {
      if (late.signal.aborted) return false;
      throw error;
    } finally {
      timer.cancel();
    }
  }
}

/** "" matches any value. */
function hasLabel(labels: Readonly<Record<string, string>>, key: string, value: string): boolean {
  const found = labels[key];
  return found !== undefined && (value === "" || found === value);
}
