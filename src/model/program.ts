/** Characters. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** What `docker exec` asks for. */
export interface ProgramWords {
  readonly args: readonly string[];
  /** "KEY=value"; added to the container's. */
  readonly env: readonly string[];
  /** Process 1's when absent. */
  readonly user?: string;
  readonly dir?: string;
  /** With all capabilities that the machine has, whatever the container has. */
  readonly isPrivileged?: boolean;
  readonly tty: boolean;
  readonly attach: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
  readonly size?: TerminalSize;
}

/** A program as the node of its container is told of it. */
export interface ProgramOrder extends Omit<ProgramWords, "attach"> {
  readonly hasInput: boolean;
}

/** A program that was asked for, and what became of it. */
export interface ProgramInfo {
  readonly id: string;
  readonly containerId: string;
  readonly words: ProgramWords;
  readonly status: "created" | "running" | "ended";
  readonly pid: number;
  readonly exitCode?: number;
}

/** The other end of the streams of a program, or of process 1. */
export interface StreamIo {
  /** What it is to read; absent: it has no input. */
  readonly input?: AsyncIterable<Uint8Array>;
  /** Takes a piece of its output, whose memory is used again. A promise holds up the program until it settles. */
  write(stream: "stdout" | "stderr", chunk: Uint8Array): Promise<void> | undefined;
}

/** A table of processes. */
export interface ProcessList {
  readonly titles: readonly string[];
  readonly processes: readonly (readonly string[])[];
}

/** A container as its node says it is. */
export interface LookedAt {
  readonly status: "created" | "running" | "stopped";
  readonly isPaused: boolean;
  /** What `docker inspect` shows of it, as JSON. */
  readonly json: string;
}
