import type { ExecConfig } from "./health.ts";

/** The other end of a program's streams. */
export interface ProgramIo {
  /** What it is to read; absent: it has no input. */
  readonly input?: AsyncIterable<Uint8Array>;
  /** Takes a piece of its output, whose memory is used again. A promise holds up the program until it settles. */
  write(stream: "stdout" | "stderr", chunk: Uint8Array): Promise<void> | undefined;
}

/** One who attaches to a container's process 1. */
export interface AttachIo extends ProgramIo {
  /** The container's input ends with this one's. */
  readonly endsInput: boolean;
}

/** Characters. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** A program that somebody runs in a container, and looks at. */
export interface ProgramConfig extends ExecConfig {
  /** All its output is then on stdout. */
  readonly tty: boolean;
  readonly hasInput: boolean;
  readonly size?: TerminalSize;
  /** With all capabilities that the machine has, whatever process 1 has; what else confines that stays. */
  readonly isPrivileged?: boolean;
}

/** It runs. */
export interface Program {
  readonly pid: number;
  /** Its exit code, once all of its output has been taken. */
  readonly ended: Promise<number>;
  /** Of its terminal. */
  resize(size: TerminalSize): Promise<void>;
  /** With all that it has started, as far as that is of its session. No error when it has ended. */
  kill(): Promise<void>;
}

/** What people see and type. Of all methods the id is the full one; Fault "not-found" when there is none. */
export interface ContainerStreams {
  /**
   * Runs a program that somebody looks at, confined as process 1 is; he may leave, and it runs on. Faults: "conflict" for a container that
   * does not run or stands still; "invalid" in runc's words when it cannot run.
   */
  open(id: string, config: ProgramConfig, io: ProgramIo): Promise<Program>;
  /**
   * Shows process 1's output from now on and, when its config has `openStdin`, passes input on to it, from its start on; resolves when it
   * has ended and all has been taken. Rejects with the signal's reason. Fault "unsupported" for one whose output goes nowhere.
   */
  attach(id: string, io: AttachIo, signal: AbortSignal): Promise<void>;
  /** Of process 1's terminal. Fault "conflict" when it does not run. */
  resize(id: string, size: TerminalSize): Promise<void>;
}
