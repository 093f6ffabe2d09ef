import { Fault, Queue } from "../lib/index.ts";
import type {
  ContainerUsage,
  ProcessList,
  RunChange,
  RunSpec,
  StreamIo,
  Task,
  TerminalSize,
} from "../model/index.ts";
import { aContainerInfo } from "./api-values.fake.ts";
import type {
  ContainerBackend,
  ContainerInfo,
  LocatedContainer,
  LogLine,
  LogQuery,
  StopWords,
  WaitCondition,
} from "./backends.ts";
import { FakePrograms } from "./programs.fake.ts";
import { FakeTrees } from "./trees.fake.ts";

/** Containers in memory; `say` writes to a log, `exit` ends one. */
export class FakeContainers implements ContainerBackend {
  readonly #all = new Map<string, ContainerInfo>();
  readonly #lines = new Map<string, LogLine[]>();
  readonly #followers = new Map<string, Set<Queue<LogLine>>>();

  readonly #attached = new Map<string, Set<{ readonly io: StreamIo; end(): void }>>();
  readonly sizes: TerminalSize[] = [];
  readonly programs: FakePrograms = new FakePrograms((ref) => {
    const { id, status } = this.#require(ref);
    if (status !== "running") throw new Fault("conflict", `container ${id} is not running`);
    return id;
  });

  readonly trees: FakeTrees = new FakeTrees((ref) => void this.#require(ref));

  /** Sees what is said, and says what it types; until the container ends. */
  async attach(id: string, io: StreamIo, signal: AbortSignal): Promise<void> {
    const all = this.#attached.get(id) ?? new Set();
    this.#attached.set(id, all);
    const typed = async (): Promise<void> => {
      for await (const line of io.input ?? []) this.say(id, { at: 1n, stream: "stdout", line });
    };
    void typed();
    await new Promise<void>((resolve, reject) => {
      all.add({ io, end: resolve });
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  }

  /** How many are attached. */
  attachedTo(id: string): number {
    return this.#attached.get(id)?.size ?? 0;
  }

  async resize(ref: string, size: TerminalSize): Promise<void> {
    this.#require(ref);
    this.sizes.push(size);
  }

  put(container: ContainerInfo): void {
    this.#all.set(container.id, container);
  }

  say(id: string, line: LogLine): void {
    this.#lines.set(id, [...(this.#lines.get(id) ?? []), line]);
    for (const follower of this.#followers.get(id) ?? []) follower.push(line);
    for (const { io } of this.#attached.get(id) ?? []) void io.write(line.stream, line.line);
  }

  /** How many read the container's log just now. */
  followersOf(id: string): number {
    return this.#followers.get(id)?.size ?? 0;
  }

  /** Ends one that runs. */
  exit(id: string, exitCode: number = 0): void {
    const { paused: _, ...container } = this.#require(id);
    this.put({ ...container, status: "stopped", exitCode });
    for (const follower of this.#followers.get(id) ?? []) follower.close();
    for (const { end } of this.#attached.get(id) ?? []) end();
    this.#attached.delete(id);
    this.#wake();
  }

  async list(): Promise<ContainerInfo[]> {
    return [...this.#all.values()];
  }

  async get(ref: string): Promise<ContainerInfo> {
    return this.#require(ref);
  }

  /** Tasks on other nodes: how they are, as JSON of `docker inspect`, or why nobody can say. */
  readonly elsewhere: Map<Task, object | Fault> = new Map<Task, object | Fault>();

  async locate(ref: string): Promise<LocatedContainer> {
    const found = [...this.elsewhere].find(([task]) => task.id === ref);
    if (found === undefined) return { kind: "here", container: this.#require(ref) };
    const [task, shown] = found;
    return {
      ...{ kind: "elsewhere", task },
      async inspect() {
        if (shown instanceof Fault) throw shown;
        return shown;
      },
    };
  }

  readonly written: Map<string, number> = new Map<string, number>();

  async bytesOf(id: string): Promise<number> {
    return this.written.get(id) ?? 0;
  }

  async *logs(id: string, query: LogQuery, signal: AbortSignal): AsyncGenerator<LogLine> {
    const fits = (line: LogLine) =>
      query[line.stream] &&
      line.at >= (query.since ?? 0n) &&
      (query.until === undefined || line.at <= query.until);
    const past = (this.#lines.get(id) ?? []).filter(fits);
    yield* query.tail === undefined ? past : past.slice(past.length - Math.min(query.tail, past.length));
    if (!query.follow) return;
    const queue = new Queue<LogLine>();
    const followers = this.#followers.get(id) ?? new Set();
    this.#followers.set(id, followers.add(queue));
    signal.addEventListener("abort", () => queue.close(), { once: true });
    try {
      for await (const line of queue) if (fits(line)) yield line;
    } finally {
      followers.delete(queue);
    }
  }

  async create(spec: RunSpec, name: string): Promise<string> {
    const id = String(this.#all.size + 1).padStart(64, "0");
    if ((await this.list()).some((container) => container.name === name)) {
      throw new Fault("conflict", `Conflict. The container name "/${name}" is already in use`);
    }
    const { image, labels, args } = spec.container;
    const made = aContainerInfo({ id, name: name || "quiet_perch" });
    const run = { spec, restarts: 0, isRestarting: false };
    this.put({ ...made, ...{ image, labels, command: args, status: "created", run } });
    return id;
  }

  async start(ref: string): Promise<boolean> {
    const container = this.#require(ref);
    if (container.status === "running") return false;
    this.put({ ...container, status: "running" });
    return true;
  }

  /** With which words each was stopped last. */
  readonly stops: Map<string, StopWords> = new Map<string, StopWords>();

  async stop(ref: string, how: StopWords): Promise<boolean> {
    const { id, status } = this.#require(ref);
    this.stops.set(id, how);
    if (status !== "running") return false;
    this.exit(id, 143);
    return true;
  }

  async restart(ref: string, how: StopWords): Promise<void> {
    await this.stop(ref, how);
    await this.start(ref);
  }

  async kill(ref: string, _signal: string): Promise<void> {
    const { id, status } = this.#require(ref);
    if (status !== "running") throw new Fault("conflict", `container ${id} is not running`);
    this.exit(id, 137);
  }

  async pause(ref: string): Promise<void> {
    this.put({ ...this.#require(ref), paused: true });
  }

  async top(ref: string, args: string): Promise<ProcessList> {
    const { id, status } = this.#require(ref);
    if (status !== "running") throw new Fault("conflict", `container ${id} is not running`);
    return { titles: ["PID", "CMD"], processes: [["1", `ps ${args}`]] };
  }

  /** What each uses now. */
  readonly usages: Map<string, ContainerUsage> = new Map<string, ContainerUsage>();

  /** How often somebody asked for one. */
  looks = 0;

  async usage(id: string): Promise<ContainerUsage> {
    this.looks++;
    const { status } = this.#require(id);
    const usage = this.usages.get(id);
    if (status !== "running" || usage === undefined)
      throw new Fault("conflict", `container ${id} is not running`);
    return usage;
  }

  async unpause(ref: string): Promise<void> {
    const { paused: _, ...container } = this.#require(ref);
    this.put(container);
  }

  async rename(ref: string, name: string): Promise<void> {
    this.put({ ...this.#require(ref), name });
  }

  async update(ref: string, { restart }: RunChange): Promise<void> {
    const container = this.#require(ref);
    const { run } = container;
    if (run !== undefined && restart !== undefined)
      this.put({ ...container, run: { ...run, spec: { ...run.spec, restart } } });
  }

  async remove(ref: string, { force }: { readonly force: boolean }): Promise<void> {
    const { id, status } = this.#require(ref);
    if (status === "running" && !force) throw new Fault("conflict", `container ${ref} is running`);
    if (status === "running") this.exit(id, 137);
    this.#all.delete(id);
    this.#wake();
  }

  async wait(ref: string, condition: WaitCondition, signal: AbortSignal): Promise<number> {
    const { id, status } = this.#require(ref);
    const isOver = () => {
      const now = this.#all.get(id);
      if (condition === "removed") return now === undefined;
      return now?.status !== "running" && (condition === "not-running" || status === "running");
    };
    let code = this.#require(ref).exitCode ?? 0;
    signal.addEventListener("abort", () => this.#wake(), { once: true });
    while (!isOver()) {
      signal.throwIfAborted();
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
      code = this.#all.get(id)?.exitCode ?? code;
    }
    return code;
  }

  readonly #waiters: (() => void)[] = [];

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }

  #require(ref: string): ContainerInfo {
    const all = [...this.#all.values()];
    const found = all.find((c) => c.id === ref || c.name === ref) ?? all.find((c) => c.id.startsWith(ref));
    if (found === undefined) throw new Fault("not-found", `No such container: ${ref}`);
    return found;
  }
}
