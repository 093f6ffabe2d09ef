import { rm } from "node:fs/promises";
import type { GrpcClient } from "../grpc/index.ts";
import { type Clock, Fault, type Log, messageOf } from "../lib/index.ts";
import type { ContainerEntry } from "./container-entry.ts";
import type { ContainerExecs } from "./container-exec.ts";
import { isPaused, notRunning } from "./container-faults.ts";
import { execFifos } from "./container-folder.ts";
import type { ContainerKeeper } from "./container-keeper.ts";
import { isMute } from "./container-task.ts";
import {
  closeInput,
  createExec,
  deleteExec,
  type ExecRef,
  type ExecStreams,
  resizeTerminal,
  startExec,
  waitExec,
} from "./exec-task.ts";
import { InputFifo } from "./input-fifo.ts";
import { FifoReader } from "./log-pump.ts";
import type {
  AttachIo,
  ContainerStreams,
  Program,
  ProgramConfig,
  ProgramIo,
  TerminalSize,
} from "./program.ts";

export interface StreamParts {
  readonly client: GrpcClient;
  readonly keeper: ContainerKeeper;
  readonly execs: ContainerExecs;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborts when the runtime is closed. */
  readonly stop: AbortSignal;
}

/** The streams of this node's containers, over the FIFOs between us and containerd's shims. */
export class RunningStreams implements ContainerStreams {
  readonly #parts: StreamParts;

  constructor(parts: StreamParts) {
    this.#parts = parts;
  }

  async open(id: string, config: ProgramConfig, io: ProgramIo): Promise<Program> {
    const { client, keeper, execs } = this.#parts;
    const entry = keeper.require(id);
    if (entry.status !== "running") throw notRunning(id);
    if (entry.isPaused) throw isPaused(id);
    const process = await execs.processOf(entry, config);
    const { ref, release } = execs.claim(entry);
    const streams = streamsOf(execFifos(entry.folder, ref.execId), config);
    const exec = { id: ref.execId, args: process.args };
    const readers: FifoReader[] = [];
    try {
      const paths = pathsOf(streams);
      await keeper.fifos.put(paths);
      readers.push(...this.#readersOf(streams, io));
      keeper.emit("exec_create", entry, { exec });
      const pid = await execs.make(async () => {
        await createExec(client, ref, { process, streams });
        return startExec(client, ref);
      });
      keeper.emit("exec_start", entry, { exec });
      const input = this.#input(ref, streams, io);
      const followed = this.#follow(entry, exec, { ref, readers });
      const ended = after(followed, async () => {
        input?.close();
        release();
        for (const path of paths) await rm(path, { force: true });
      });
      ended.catch(() => {});
      return {
        ...{ pid, ended },
        resize: (size) => resizeTerminal(client, ref, size),
        kill: () => execs.kill(ref, pid),
      };
    } catch (error) {
      for (const reader of readers) reader.close();
      await execs.discard(ref, pathsOf(streams)).catch(() => {});
      release();
      throw error;
    }
  }

  async attach(id: string, io: AttachIo, signal: AbortSignal): Promise<void> {
    const { keeper, stop } = this.#parts;
    const entry = keeper.require(id);
    const { config } = entry.record;
    if (isMute(config)) {
      const why = "with --log-driver none its output goes nowhere";
      throw new Fault("unsupported", `cannot attach to container ${id}: ${why}`);
    }
    const either = AbortSignal.any([signal, stop]);
    const ended = entry.taps.open((stream, chunk) => io.write(stream, chunk), either);
    // What goes wrong with the input, its reader sees: the output is not to end with it.
    if (io.input !== undefined && config.openStdin) this.#feedFirst(entry, io, either).catch(() => {});
    await ended;
  }

  async resize(id: string, size: TerminalSize): Promise<void> {
    const { keeper, client } = this.#parts;
    if (keeper.require(id).status !== "running") throw notRunning(id);
    await resizeTerminal(client, { containerId: id, execId: "" }, size);
  }

  /** Before its start nobody reads: what is written would be taken for the last run's. */
  async #feedFirst(
    entry: ContainerEntry,
    { input, endsInput }: AttachIo,
    signal: AbortSignal,
  ): Promise<void> {
    await entry.until(() => entry.status === "running", signal);
    if (entry.isRemoved || input === undefined) return;
    entry.input ??= new InputFifo(entry.folder.stdin);
    const fifo = entry.input;
    try {
      await fifo.feed(input);
    } finally {
      if (endsInput) await this.#endInput(fifo, { containerId: entry.id, execId: "" });
    }
  }

  #readersOf(streams: ExecStreams, io: ProgramIo): FifoReader[] {
    const { clock, log } = this.#parts;
    const kinds = (["stdout", "stderr"] as const).filter((stream) => streams[stream] !== "");
    return kinds.map((stream) => {
      const take = (chunk: Buffer) => io.write(stream, chunk);
      return new FifoReader({ path: streams[stream], stream, isHeldOpen: true, clock, log, take });
    });
  }

  #input(ref: ExecRef, { stdin }: ExecStreams, { input }: ProgramIo): InputFifo | undefined {
    const { log } = this.#parts;
    if (input === undefined || stdin === "") return undefined;
    const fifo = new InputFifo(stdin);
    after(fifo.feed(input), () => this.#endInput(fifo, ref)).catch((error: unknown) => {
      log.debug("a program's input ended", { ...ref, error: messageOf(error) });
    });
    return fifo;
  }

  async #endInput(fifo: InputFifo, ref: ExecRef): Promise<void> {
    await fifo.end();
    await closeInput(this.#parts.client, ref);
  }

  /** Its exit code, once it has ended and its output has been taken, however slowly. */
  async #follow(
    entry: ContainerEntry,
    exec: { readonly id: string; readonly args: readonly string[] },
    { ref, readers }: { readonly ref: ExecRef; readonly readers: readonly FifoReader[] },
  ): Promise<number> {
    const { client, keeper } = this.#parts;
    try {
      const exitCode = await waitExec(client, ref);
      await deleteExec(client, ref, {});
      for (const reader of readers) reader.finish();
      keeper.emit("exec_die", entry, { exec: { ...exec, exitCode } });
      return exitCode;
    } finally {
      for (const reader of readers) reader.close();
    }
  }
}

/** What the work came to, once the rest is done as well. */
async function after<T>(work: Promise<T>, rest: () => Promise<void>): Promise<T> {
  try {
    return await work;
  } finally {
    await rest();
  }
}

/** With a terminal all output is on one stream. */
function streamsOf(
  fifos: ReturnType<typeof execFifos>,
  { tty, hasInput }: Pick<ProgramConfig, "tty" | "hasInput">,
): ExecStreams {
  return { stdin: hasInput ? fifos.in : "", stdout: fifos.out, stderr: tty ? "" : fifos.err };
}

function pathsOf(streams: ExecStreams): string[] {
  return Object.values(streams).filter((path) => path !== "");
}
