import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { type Clock, Fault, type Timer } from "../lib/index.ts";
import type { FileChange } from "./changes.ts";
import { plainArchive } from "./gunzip.ts";
import { ANSWERS, type Answer, type Order } from "./order.ts";
import type { PathStat } from "./path-stat.ts";

/** As built: children do not run TypeScript. */
const BUILT = new URL("./copy-program.js", import.meta.url);
/** How long somebody may leave an archive unread. */
const STALL_MS = 600_000;
const MOST_COMPLAINTS = 4_096;

export interface CopyParts {
  readonly clock: Clock;
  /** Where the program is, when it is not the built one beside this file. */
  readonly program?: URL;
}

/** A copying program at work. */
export class Copy {
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  readonly #answers: Answer[] = [];
  #complaint = "";
  /** Why it was ended. */
  #killed: unknown;
  #failure: Fault | undefined;
  #hasEnded = false;
  #wake: () => void = () => {};
  /** Settles when the program has ended; never rejects. */
  readonly ended: Promise<void>;

  /** `signal` ends it at once; whoever waits for it then gets the signal's reason. */
  constructor(order: Order, { clock, program = BUILT }: CopyParts, signal: AbortSignal) {
    this.#clock = clock;
    const child = spawn(process.execPath, [fileURLToPath(program)], {
      ...{ stdio: ["pipe", "pipe", "pipe", "pipe"], env: {}, cwd: "/" },
    });
    this.#child = child;
    const kill = () => this.kill(signal.reason);
    signal.addEventListener("abort", kill, { once: true });
    this.ended = new Promise((resolve) => {
      const end = (how: string) => {
        signal.removeEventListener("abort", kill);
        this.#end(how);
        resolve();
      };
      child.once("error", (error) => end(error.message));
      child.once("close", (code, by) => end(this.#complaint.trim() || `it ended with ${code ?? by}`));
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#complaint = `${this.#complaint}${chunk}`.slice(-MOST_COMPLAINTS);
    });
    const lines = createInterface({ input: child.stdio[ANSWERS] as Readable });
    lines.on("line", (line) => this.#hear(JSON.parse(line) as Answer));
    // It may end without reading all: what it says tells why.
    child.stdin?.on("error", () => {});
    child.stdin?.write(`${JSON.stringify(order)}\n`);
    if (signal.aborted) kill();
  }

  kill(reason: unknown): void {
    this.#killed ??= reason;
    this.#child.kill("SIGKILL");
  }

  /** False: it was to look for a process that is no more. Faults: what else went wrong. */
  async hasOpened(): Promise<boolean> {
    return (await this.#answer(0)).say === "ready";
  }

  /** What it says of the path once it has opened the root. Faults: what went wrong before. */
  async stat(): Promise<PathStat> {
    const answer = await this.#answer(1);
    if (answer.say !== "stat") throw new Fault("internal", "cannot copy files: it says nothing of the path");
    return { ...answer.stat, mtime: BigInt(answer.stat.mtime) };
  }

  async changes(): Promise<readonly FileChange[]> {
    await this.done();
    return this.#answers.flatMap((answer) => (answer.say === "changes" ? answer.changes : []));
  }

  async #answer(index: number): Promise<Answer> {
    while (this.#answers.length <= index && !this.#hasEnded) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const answer = this.#answers[index];
    if (answer?.say === "fault") throw new Fault(answer.kind, answer.message);
    if (answer !== undefined) return answer;
    throw this.#failure;
  }

  /** Until it has ended. Faults: what went wrong. */
  async done(): Promise<void> {
    await this.ended;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Gives it an archive to read, as fast as it does, until it has ended. One that breaks off ends it. */
  async feed(archive: AsyncIterable<Uint8Array>): Promise<void> {
    const input = this.#child.stdin as Writable;
    try {
      for await (const chunk of plainArchive(archive)) {
        if (input.destroyed || this.#hasEnded) return;
        if (!input.write(chunk)) await Promise.race([once(input, "drain").catch(() => {}), this.ended]);
      }
      input.end();
    } catch (error) {
      this.kill(error);
    }
  }

  /** The archive that it writes, as fast as it is read. One that nobody reads on for long breaks off. */
  async *archive(): AsyncGenerator<Uint8Array, void, undefined> {
    let timer: Timer | undefined;
    const stalled = () => this.kill(new Fault("timeout", "cannot send the archive: nobody reads it"));
    try {
      for await (const chunk of this.#child.stdout as AsyncIterable<Buffer>) {
        timer = this.#clock.after(STALL_MS, stalled);
        yield chunk;
        timer.cancel();
      }
      await this.done();
    } finally {
      timer?.cancel();
      this.kill(new Fault("unavailable", "nobody reads the archive any more"));
    }
  }

  #hear(answer: Answer): void {
    this.#answers.push(answer);
    this.#wake();
  }

  #end(how: string): void {
    const last = this.#answers.at(-1);
    const reason = this.#killed ?? new Fault("internal", `cannot copy files: ${how}`);
    if (last?.say === "fault") this.#failure = new Fault(last.kind, last.message);
    else if (last?.say !== "done" && last?.say !== "gone") this.#failure = Fault.from(reason);
    this.#hasEnded = true;
    this.#wake();
  }
}
