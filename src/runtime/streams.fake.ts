import type {
  AttachIo,
  ContainerStreams,
  Program,
  ProgramConfig,
  ProgramIo,
  TerminalSize,
} from "./program.ts";
import { Taps } from "./taps.ts";

/** What FakeStreams asks of the containers that it belongs to. */
export interface StreamedContainers {
  /** Fault "not-found", or "conflict" for one that does not run. */
  requireRunning(id: string): void;
  /** Plays a program to its end: what it writes, and its exit code. */
  play(
    id: string,
    args: readonly string[],
  ): { readonly output: readonly (readonly ["stdout" | "stderr", string])[]; readonly exitCode: number };
}

/** The exit code of what SIGKILL ended. */
const KILLED = 137;

/** Streams in memory. A program named "cat" writes what it reads; the others are FakeContainers' scripts. */
export class FakeStreams implements ContainerStreams {
  readonly #containers: StreamedContainers;
  readonly #taps = new Map<string, Taps>();
  readonly sizes: Map<string, TerminalSize> = new Map<string, TerminalSize>();

  constructor(containers: StreamedContainers) {
    this.#containers = containers;
  }

  async open(id: string, { args }: ProgramConfig, io: ProgramIo): Promise<Program> {
    this.#containers.requireRunning(id);
    const played = args[0] === "cat" ? echo(io) : this.#played(id, args, io);
    await Promise.resolve();
    let kill = (): void => {};
    const killed = new Promise<number>((resolve) => {
      kill = () => resolve(KILLED);
    });
    return {
      ...{ pid: 4712, ended: Promise.race([played, killed]) },
      resize: async (size) => void this.sizes.set(id, size),
      kill: async () => kill(),
    };
  }

  attach(id: string, io: AttachIo, signal: AbortSignal): Promise<void> {
    const taps = this.#taps.get(id) ?? new Taps();
    this.#taps.set(id, taps);
    return taps.open((stream, chunk) => io.write(stream, chunk), signal);
  }

  async resize(id: string, size: TerminalSize): Promise<void> {
    this.#containers.requireRunning(id);
    this.sizes.set(id, size);
  }

  /** A container's process 1 writes. */
  said(id: string, stream: "stdout" | "stderr", line: Uint8Array): void {
    void this.#taps.get(id)?.take(stream, line);
  }

  ended(id: string): void {
    this.#taps.get(id)?.end();
  }

  async #played(id: string, args: readonly string[], io: ProgramIo): Promise<number> {
    const { output, exitCode } = this.#containers.play(id, args);
    for (const [stream, line] of output) await io.write(stream, Buffer.from(`${line}\n`));
    return exitCode;
  }
}

async function echo(io: ProgramIo): Promise<number> {
  for await (const chunk of io.input ?? []) await io.write("stdout", chunk);
  return 0;
}
