import { type Clock, Fault, messageOf, type Random, randomHex } from "../lib/index.ts";
import type { ProgramInfo, ProgramWords, StreamIo, TerminalSize } from "../model/index.ts";
import type { ContainerState, Containers } from "../runtime/index.ts";

/** An ended one is known for so long (moby daemon/exec.go execCommandGC). */
const KEPT_MS = 300_000;
/** So long the size of a terminal waits for its program to run (moby daemon/resize.go ContainerExecResize). */
const RESIZE_MS = 10_000;
/** Docker's codes for a program that cannot run, and for one that is not there. */
const NOT_RUNNABLE = 126;
const NOT_FOUND = 127;
/** Of one whose node was lost, and which is killed there. */
const LOST = 137;

type Open = Containers["streams"]["open"];
type Opened = Awaited<ReturnType<Open>>;

/** The containers that programs run in. */
export interface ProgramHomes {
  /** How a container is now; undefined: there is none. */
  get(id: string): Promise<Pick<ContainerState, "status" | "paused"> | undefined>;
  /** As runtime's. `signal` aborts when the one who looks at the program has left; absent: nobody ever looked. */
  open(
    id: string,
    config: Parameters<Open>[1],
    by: { readonly io: StreamIo; readonly signal?: AbortSignal | undefined },
  ): Promise<Pick<Opened, "pid" | "ended" | "resize">>;
}

/** The programs that people run in containers: asked for first, then started, looked at and asked about. */
export class Programs {
  readonly #homes: ProgramHomes;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #all = new Map<string, ProgramInfo>();
  readonly #resizers = new Map<string, (size: TerminalSize) => Promise<void>>();
  /** Who waits for a program to run, or to end. */
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(parts: {
    readonly homes: ProgramHomes;
    readonly clock: Clock;
    readonly random: Random;
  }) {
    this.#homes = parts.homes;
    this.#clock = parts.clock;
    this.#random = parts.random;
  }

  /** Its id. Faults in Docker's words: "conflict" for a container that does not run, or stands still; "invalid" without a command. */
  async create(containerId: string, words: ProgramWords): Promise<string> {
    const container = await this.#homes.get(containerId);
    if (container === undefined) throw new Fault("not-found", `No such container: ${containerId}`);
    if (container.status !== "running")
      throw new Fault("conflict", `container ${containerId} is not running`);
    if (container.paused === true) {
      throw new Fault("conflict", `container ${containerId} is paused, unpause the container before exec`);
    }
    if (words.args.length === 0) throw new Fault("invalid", "No exec command specified");
    const id = randomHex(this.#random, 32);
    this.#all.set(id, { id, containerId, words, status: "created", pid: 0 });
    // One that nobody starts is not kept for ever either.
    this.#clock.after(KEPT_MS, () => this.get(id)?.status === "created" && this.#all.delete(id));
    return id;
  }

  get(id: string): ProgramInfo | undefined {
    return this.#all.get(id);
  }

  /** Fault "not-found" in Docker's words. */
  require(id: string): ProgramInfo {
    const found = this.#all.get(id);
    if (found === undefined) throw new Fault("not-found", `No such exec instance: ${id}`);
    return found;
  }

  /**
   * Runs it; resolves when it runs, with its end. Faults: "conflict" for one that was started already; "invalid" in runc's words when it
   * cannot run, which is then its end.
   */
  async start(
    id: string,
    io: StreamIo,
    { size, signal }: { readonly size?: TerminalSize | undefined; readonly signal?: AbortSignal } = {},
  ): Promise<{ readonly ended: Promise<number> }> {
    const { containerId, words, status } = this.require(id);
    if (status === "running") throw new Fault("conflict", `exec ${id} is already running`);
    if (status === "ended") throw new Fault("conflict", `exec ${id} has already run`);
    const { attach: _, size: first = undefined, ...config } = words;
    this.#change(id, { status: "running" });
    const wanted = size ?? first;
    try {
      const program = await this.#homes.open(
        containerId,
        { ...config, hasInput: io.input !== undefined, ...(wanted !== undefined && { size: wanted }) },
        { io, signal },
      );
      this.#change(id, { pid: program.pid });
      this.#resizers.set(id, (wish) => program.resize(wish));
      this.#wake(id);
      const ended = program.ended.then((exitCode) => this.#ended(id, exitCode));
      ended.catch(() => this.#ended(id, LOST));
      return { ended };
    } catch (error) {
      this.#ended(id, /not found|no such file/i.test(messageOf(error)) ? NOT_FOUND : NOT_RUNNABLE);
      throw error;
    }
  }

  /** Of its terminal, once it runs. Fault "conflict" when it does not. */
  async resize(id: string, size: TerminalSize): Promise<void> {
    const { status } = this.require(id);
    if (status !== "ended" && !this.#resizers.has(id)) await this.#begun(id);
    const resize = this.#resizers.get(id);
    if (resize === undefined) throw new Fault("conflict", `exec ${id} is not running`);
    await resize(size);
  }

  /** Resolves when it runs, has ended, or has been waited for long enough. */
  #begun(id: string): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(RESIZE_MS, resolve);
      const wake = () => {
        timer.cancel();
        resolve();
      };
      this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), wake]);
    });
  }

  #wake(id: string): void {
    for (const wake of this.#waiting.get(id) ?? []) wake();
    this.#waiting.delete(id);
  }

  #ended(id: string, exitCode: number): number {
    this.#resizers.delete(id);
    this.#change(id, { status: "ended", exitCode });
    this.#wake(id);
    this.#clock.after(KEPT_MS, () => this.#all.delete(id));
    return exitCode;
  }

  #change(id: string, part: Partial<ProgramInfo>): void {
    const known = this.#all.get(id);
    if (known !== undefined) this.#all.set(id, { ...known, ...part });
  }
}
