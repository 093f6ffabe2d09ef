import { type Clock, equal, type Fault } from "../lib/index.ts";
import type {
  ContainerConfig,
  ContainerEvent,
  ContainerState,
  Containers,
  FileContents,
  LogEntry,
  LogOptions,
  Resources,
} from "./container.ts";
import {
  alreadyPaused,
  logNotKept,
  nameTaken,
  noHealthCheck,
  noSuchContainer,
  notPaused,
  notRunning,
} from "./container-faults.ts";
import { checkFiles } from "./container-files.ts";
import { checkPeer, type FakeContainer, freshContainer } from "./fake-container.fake.ts";
import { runFakeScript } from "./fake-script.fake.ts";
import { FakeWaiters } from "./fake-waiters.fake.ts";
import type { ExecConfig, ExecResult, Health, HealthStatus } from "./health.ts";
import { freshHealth, type RunProbe, watchHealth } from "./health-watch.ts";
import type { Images } from "./image.ts";
import { SIGKILL, signalNumber } from "./signals.ts";
import { FakeStreams } from "./streams.fake.ts";
import { FakeTrees } from "./trees.fake.ts";

const SIGNALLED = 128;

/**
 * Containers in memory. Their processes are small scripts that it plays itself (`sh -c "echo a; exit 3"`, see fake-script.fake.ts);
 * any other program runs until it is told, or a test ends it with `exit`.
 */
export class FakeContainers implements Containers {
  readonly streams: FakeStreams = new FakeStreams({
    requireRunning: (id) => void this.#requireRunning(id),
    play: (id, args) => {
      const { output, exitCode = 0 } = runFakeScript(args, this.#require(id).files, "exec");
      return { output: output.map(({ stream, line }) => [stream, line] as const), exitCode };
    },
  });
  readonly trees: FakeTrees = new FakeTrees({
    require: (id) => this.#require(id).state,
    emit: (action, id) => this.#emit(action, this.#require(id)),
  });
  readonly #images: Pick<Images, "resolve">;
  readonly #clock: Clock;
  readonly #all = new Map<string, FakeContainer>();
  readonly #listeners = new Set<(event: ContainerEvent) => void>();
  readonly #waiters = new FakeWaiters();
  #pids = 1000;
  #execs = 0;
  #lastAt = 0n;
  /** When set, the next call of a method fails with it, once. */
  readonly failing: { create?: Fault; start?: Fault } = {};

  constructor(parts: { readonly images: Pick<Images, "resolve">; readonly clock: Clock }) {
    this.#images = parts.images;
    this.#clock = parts.clock;
  }

  /** Ends a container's process. */
  exit(id: string, exitCode: number, oomKilled = false): void {
    const container = this.#require(id);
    if (container.state.status !== "running") return;
    if (oomKilled) this.#emit("oom", container);
    const { pid, paused, health, ...rest } = container.state;
    container.state = {
      ...rest,
      ...{ status: "stopped", exitCode, oomKilled, finishedAt: this.#clock.now() },
      ...(health !== undefined && { health: { ...health, status: "unhealthy" } }),
    };
    container.probing?.abort();
    this.streams.ended(id);
    this.#waiters.changed();
    this.#emit("die", container);
  }

  /** Makes a running container with a health check so now, and its probes say so from now on. */
  setHealth(id: string, status: "healthy" | "unhealthy", output = ""): void {
    const container = this.#require(id);
    const { health } = container.state;
    if (health === undefined || container.probe === undefined) throw noHealthCheck(id);
    const now = this.#clock.now();
    const exitCode = status === "healthy" ? 0 : 1;
    container.answer = { exitCode, output };
    const log = [...health.log, { start: now, end: now, exitCode, output }];
    this.#healthIs(container, {
      ...{ status, log },
      failingStreak: exitCode === 0 ? 0 : container.probe.retries,
    });
  }

  /** Output of a container. */
  print(id: string, line: string, stream: LogEntry["stream"] = "stdout"): void {
    const now = BigInt(this.#clock.now()) * 1_000_000n;
    this.#lastAt = now > this.#lastAt ? now : this.#lastAt + 1n;
    this.#require(id).entries.push({ at: this.#lastAt, stream, line: Buffer.from(`${line}\n`) });
    this.streams.said(id, stream, Buffer.from(`${line}\n`));
    this.#waiters.changed();
  }

  async list(labels: Readonly<Record<string, string>> = {}): Promise<ContainerState[]> {
    const wanted = Object.entries(labels);
    return [...this.#all.values()]
      .map(({ state }) => state)
      .filter((state) =>
        wanted.every(([key, value]) => key in state.labels && (value === "" || state.labels[key] === value)),
      );
  }

  async get(id: string): Promise<ContainerState | undefined> {
    return this.#all.get(id)?.state;
  }

  /** Nothing in it ever writes. */
  async bytesOf(_id: string): Promise<number> {
    return 0;
  }

  /** What one of the config's files holds, as text. */
  read(id: string, target: string): string | undefined {
    const bytes = this.#require(id).contents.get(target);
    return bytes && Buffer.from(bytes).toString();
  }

  async setNames(id: string, names: Pick<ContainerConfig, "hosts" | "dns">): Promise<void> {
    this.#require(id).names = names;
  }

  /** What it finds in /etc/hosts and /etc/resolv.conf. */
  namesOf(id: string): Pick<ContainerConfig, "hosts" | "dns"> {
    const { names, state } = this.#require(id);
    return names ?? state.config;
  }

  async rename(id: string, name: string): Promise<void> {
    const container = this.#require(id);
    this.#claimName({ id, name });
    const oldName = container.state.name;
    container.state = { ...container.state, name, config: { ...container.state.config, name } };
    this.#emit("rename", container, { details: { oldName: `/${oldName}` } });
  }

  async update(id: string, resources: Resources): Promise<void> {
    const container = this.#require(id);
    const { config } = container.state;
    const wanted = { ...config, resources: { ...config.resources, ...resources } };
    container.state = { ...container.state, config: wanted };
    this.#emit("update", container);
  }

  async create(config: ContainerConfig, contents: FileContents = new Map()): Promise<void> {
    this.#fail("create");
    const known = this.#all.get(config.id);
    if (known?.state.status === "created" && equal(known.state.config, config)) return;
    const { id: imageId, config: imageConfig } = await this.#images.resolve(config.image);
    checkFiles(config, contents);
    this.#claimName(config);
    const of = { contents, imageId, imageConfig, createdAt: this.#clock.now() };
    const container = freshContainer(config, of);
    this.#all.set(config.id, container);
    this.#emit("create", container);
  }

  async start(id: string): Promise<number> {
    this.#fail("start");
    const container = this.#require(id);
    if (container.state.status === "running") return container.state.pid ?? 0;
    checkPeer(container, this.#all);
    const played = runFakeScript(container.state.command, container.files);
    const pid = this.#pids++;
    const { exitCode, finishedAt, oomKilled, health, ...rest } = container.state;
    container.state = {
      ...{ ...rest, status: "running", pid, startedAt: this.#clock.now() },
      ...(container.probe !== undefined && { health: freshHealth(health) }),
    };
    container.onStop = played.onStop;
    container.answer = undefined;
    this.#probe(container);
    this.#waiters.changed();
    this.#emit("start", container);
    for (const { stream, line } of played.output) this.print(id, line, stream);
    if (played.exitCode !== undefined) this.exit(id, played.exitCode);
    return pid;
  }

  async wait(id: string, signal: AbortSignal): Promise<{ readonly exitCode: number }> {
    const container = this.#require(id);
    while (container.state.status !== "stopped") {
      if (!this.#all.has(id)) throw noSuchContainer(id);
      await this.#waiters.change(signal);
    }
    return { exitCode: container.state.exitCode ?? 0 };
  }

  async stop(
    id: string,
    { graceMs, signal }: { readonly graceMs: number; readonly signal?: string },
  ): Promise<void> {
    const container = this.#require(id);
    const number = signal === undefined ? container.stopSignal : signalNumber(signal);
    if (container.state.status !== "running") return;
    this.#signal(container, number);
    this.#clock.after(graceMs, () => this.#killLate(id));
    await this.wait(id, new AbortController().signal);
    this.#emit("stop", container);
  }

  noteRestart(id: string): void {
    const container = this.#all.get(id);
    if (container !== undefined) this.#emit("restart", container);
  }

  async kill(id: string, signal: string): Promise<void> {
    this.#signal(this.#requireRunning(id), signalNumber(signal));
  }

  async pause(id: string): Promise<void> {
    const container = this.#requireRunning(id);
    if (container.state.paused === true) throw alreadyPaused(id);
    container.state = { ...container.state, paused: true };
    this.#emit("pause", container);
  }

  async unpause(id: string): Promise<void> {
    const container = this.#requireRunning(id);
    if (container.state.paused !== true) throw notPaused(id);
    const { paused: _, ...state } = container.state;
    container.state = state;
    this.#emit("unpause", container);
  }

  async remove(id: string): Promise<void> {
    const container = this.#all.get(id);
    if (container === undefined) return;
    this.exit(id, SIGNALLED + SIGKILL);
    this.#all.delete(id);
    this.#waiters.changed();
    this.#emit("destroy", container);
  }

  async *logs(
    id: string,
    options: LogOptions,
    signal: AbortSignal,
  ): AsyncGenerator<LogEntry, void, undefined> {
    const container = this.#require(id);
    if (container.state.config.logDriver === "none") throw logNotKept();
    const isWanted = ({ at, stream }: LogEntry): boolean =>
      options[stream] && at >= (options.since ?? 0n) && (options.until === undefined || at <= options.until);
    const old = container.entries.filter(isWanted);
    yield* options.tail === undefined ? old : old.slice(Math.max(0, old.length - options.tail));
    if (!options.follow) return;
    for (let next = container.entries.length; ; ) {
      while (next < container.entries.length) {
        const entry = container.entries[next++];
        if (entry !== undefined && isWanted(entry)) yield entry;
      }
      if (container.state.status === "stopped" || !this.#all.has(id)) return;
      await this.#waiters.change(signal);
    }
  }

  async exec(id: string, { args }: ExecConfig, signal: AbortSignal): Promise<ExecResult> {
    const container = this.#requireRunning(id);
    const result = await this.#exec(container, args, signal, () => {});
    signal.throwIfAborted();
    return result;
  }

  async waitHealth(
    id: string,
    signal: AbortSignal,
    known: HealthStatus = "starting",
  ): Promise<"healthy" | "unhealthy"> {
    const container = this.#require(id);
    if (container.probe === undefined) throw noHealthCheck(id);
    while (true) {
      if (!this.#all.has(id)) throw noSuchContainer(id);
      const { health, status } = container.state;
      const now = status === "running" ? (health?.status ?? "starting") : "starting";
      if (now !== "starting" && now !== known) return now;
      await this.#waiters.change(signal);
    }
  }

  subscribe(fn: (event: ContainerEvent) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  #probe(container: FakeContainer): void {
    const { probe, state } = container;
    if (probe === undefined) return;
    container.probing = new AbortController();
    const run: RunProbe = async (args, signal, onStart) => {
      if (container.answer === undefined) return this.#exec(container, args, signal, onStart);
      onStart();
      return container.answer;
    };
    void watchHealth(
      {
        ...{ containerId: state.id, probe, startedAt: state.startedAt ?? 0, clock: this.#clock, run },
        health: () => container.state.health ?? freshHealth(undefined),
        take: (health) => this.#healthIs(container, health),
      },
      container.probing.signal,
    ).catch(() => {});
  }

  #healthIs(container: FakeContainer, health: Health): void {
    if (container.state.status !== "running") return;
    const isNews = health.status !== container.state.health?.status;
    container.state = { ...container.state, health };
    if (!isNews) return;
    this.#waiters.changed();
    this.#emit("health_status", container);
  }

  /** Plays a script beside process 1; one that runs on ends with the signal or with its container. */
  async #exec(
    container: FakeContainer,
    args: readonly string[],
    signal: AbortSignal,
    onStart: () => void,
  ): Promise<ExecResult> {
    const exec = { id: (this.#execs++).toString(16).padStart(64, "0"), args };
    this.#emit("exec_create", container, { exec });
    const { output, exitCode } = runFakeScript(args, container.files, "exec");
    onStart();
    this.#emit("exec_start", container, { exec });
    while (exitCode === undefined && !signal.aborted && container.state.status === "running") {
      await this.#waiters.change(signal).catch(() => {});
    }
    const code = exitCode ?? SIGNALLED + SIGKILL;
    this.#emit("exec_die", container, { exec: { ...exec, exitCode: code } });
    return { exitCode: code, output: output.map(({ line }) => `${line}\n`).join("") };
  }

  #killLate(id: string): void {
    const container = this.#all.get(id);
    if (container?.state.status === "running") this.#signal(container, SIGKILL);
  }

  /** Scripts listen to their stop signal alone. */
  #signal(container: FakeContainer, number: number): void {
    const { id } = container.state;
    this.#emit("kill", container, { details: { signal: String(number) } });
    if (number === SIGKILL) this.exit(id, SIGNALLED + SIGKILL);
    else if (number === container.stopSignal && container.onStop !== undefined)
      this.exit(id, container.onStop);
  }

  #require(id: string): FakeContainer {
    const container = this.#all.get(id);
    if (container === undefined) throw noSuchContainer(id);
    return container;
  }

  #requireRunning(id: string): FakeContainer {
    const container = this.#require(id);
    if (container.state.status !== "running") throw notRunning(id);
    return container;
  }

  #claimName({ id, name }: Pick<ContainerConfig, "id" | "name">): void {
    const owner = [...this.#all.values()].find(({ state }) => state.name === name && state.id !== id);
    if (owner !== undefined) throw nameTaken(name, owner.state.id);
  }

  #fail(method: "create" | "start"): void {
    const fault = this.failing[method];
    delete this.failing[method];
    if (fault !== undefined) throw fault;
  }

  #emit(
    action: ContainerEvent["action"],
    { state }: FakeContainer,
    more: Pick<ContainerEvent, "exec" | "details"> = {},
  ): void {
    const at = this.#clock.now();
    for (const listener of this.#listeners) listener({ action, at, container: state, ...more });
  }
}
