import { type Clock, equal, type Fault } from "../lib/index.ts";
import type {
  ContainerConfig,
  ContainerEvent,
  ContainerState,
  Containers,
  LogEntry,
  LogOptions,
  ResolvedMount,
} from "./container.ts";
import { nameTaken, noSuchContainer } from "./container-faults.ts";
import { allMounts } from "./container-mounts.ts";
import { runFakeScript } from "./fake-script.fake.ts";
import type { Images } from "./image.ts";
import { SIGKILL, signalNumber } from "./signals.ts";
import { commandOf, imageProcessOf } from "./spec-process.ts";

const SIGNALLED = 128;

interface FakeContainer {
  state: ContainerState;
  readonly stopSignal: number;
  /** What the process does on its stop signal: undefined when it does not care. */
  onStop: number | undefined;
  readonly entries: LogEntry[];
}

/**
 * Containers in memory. Their processes are small scripts that it plays itself (`sh -c "echo a; exit 3"`, see fake-script.fake.ts);
 * any other program runs until it is told, or a test ends it with `exit`.
 */
export class FakeContainers implements Containers {
  readonly #images: Pick<Images, "resolve">;
  readonly #clock: Clock;
  readonly #all = new Map<string, FakeContainer>();
  readonly #listeners = new Set<(event: ContainerEvent) => void>();
  #waiters: (() => void)[] = [];
  #pids = 1000;
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
    const { pid, ...rest } = container.state;
    container.state = { ...rest, status: "stopped", exitCode, oomKilled, finishedAt: this.#clock.now() };
    this.#changed();
    this.#emit("die", container);
  }

  /** Output of a container. */
  print(id: string, line: string, stream: LogEntry["stream"] = "stdout"): void {
    const now = BigInt(this.#clock.now()) * 1_000_000n;
    this.#lastAt = now > this.#lastAt ? now : this.#lastAt + 1n;
    this.#require(id).entries.push({ at: this.#lastAt, stream, line: Buffer.from(`${line}\n`) });
    this.#changed();
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

  async create(config: ContainerConfig): Promise<void> {
    this.#fail("create");
    const known = this.#all.get(config.id);
    if (known?.state.status === "created" && equal(known.state.config, config)) return;
    const { id: imageId, config: imageConfig } = await this.#images.resolve(config.image);
    const image = imageProcessOf(imageConfig);
    const owner = [...this.#all.values()].find(({ state }) => state.name === config.name);
    if (owner !== undefined) throw nameTaken(config.name, owner.state.id);
    const { id, name, labels } = config;
    const mounts = allMounts(config.mounts, image.volumes).map(
      ({ type, source, target, readOnly }): ResolvedMount => ({ type, source, target, readOnly }),
    );
    const container: FakeContainer = {
      state: {
        ...{ id, name, labels, config, imageId, mounts },
        status: "created",
        createdAt: this.#clock.now(),
        image: config.image,
        command: commandOf(config, image),
        logPath: `/fake/${id}-json.log`,
      },
      stopSignal: signalNumber(config.stopSignal || image.stopSignal),
      onStop: undefined,
      entries: [],
    };
    this.#all.set(id, container);
    this.#emit("create", container);
  }

  async start(id: string): Promise<number> {
    this.#fail("start");
    const container = this.#require(id);
    if (container.state.status === "running") return container.state.pid ?? 0;
    const played = runFakeScript(container.state.command);
    const pid = this.#pids++;
    const { exitCode, finishedAt, oomKilled, ...rest } = container.state;
    container.state = { ...rest, status: "running", pid, startedAt: this.#clock.now() };
    container.onStop = played.onStop;
    this.#changed();
    this.#emit("start", container);
    for (const { stream, line } of played.output) this.print(id, line, stream);
    if (played.exitCode !== undefined) this.exit(id, played.exitCode);
    return pid;
  }

  async wait(id: string, signal: AbortSignal): Promise<{ readonly exitCode: number }> {
    const container = this.#require(id);
    while (container.state.status !== "stopped") {
      if (!this.#all.has(id)) throw noSuchContainer(id);
      await this.#change(signal);
    }
    return { exitCode: container.state.exitCode ?? 0 };
  }

  async stop(id: string, { graceMs }: { readonly graceMs: number }): Promise<void> {
    const container = this.#require(id);
    if (container.state.status !== "running") return;
    this.#emit("kill", container);
    if (container.onStop !== undefined) return this.exit(id, container.onStop);
    await new Promise<void>((resolve) => this.#clock.after(graceMs, resolve));
    this.exit(id, SIGNALLED + SIGKILL);
  }

  async remove(id: string): Promise<void> {
    const container = this.#all.get(id);
    if (container === undefined) return;
    this.exit(id, SIGNALLED + SIGKILL);
    this.#all.delete(id);
    this.#changed();
    this.#emit("destroy", container);
  }

  async *logs(
    id: string,
    options: LogOptions,
    signal: AbortSignal,
  ): AsyncGenerator<LogEntry, void, undefined> {
    const container = this.#require(id);
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
      await this.#change(signal);
    }
  }

  subscribe(fn: (event: ContainerEvent) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  #require(id: string): FakeContainer {
    const container = this.#all.get(id);
    if (container === undefined) throw noSuchContainer(id);
    return container;
  }

  #fail(method: "create" | "start"): void {
    const fault = this.failing[method];
    delete this.failing[method];
    if (fault !== undefined) throw fault;
  }

  #emit(action: ContainerEvent["action"], { state }: FakeContainer): void {
    for (const listener of this.#listeners) listener({ action, at: this.#clock.now(), container: state });
  }

  #changed(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  #change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      this.#waiters.push(resolve);
    });
  }
}
