import type { LogEntry, LogOptions } from "./container.ts";

/** Where a container's output comes from, and how much of it is kept. */
export interface LogInput {
  /** FIFOs that containerd's shim writes to; made when they are not there. */
  readonly stdoutFifo: string;
  /** Absent with a terminal: all comes on stdout then. */
  readonly stderrFifo?: string;
  /** Bytes per file; 0 or less: no rotation. */
  readonly maxBytes: number;
  /** Files kept, the one being written included; at least 1. */
  readonly maxFiles: number;
  /** Nothing is written anywhere: output is read so that its writer can go on. */
  readonly isDiscarded?: boolean;
  /** Sees all of it as it comes; a promise holds up the container's output until it settles. The chunk's memory is used again. */
  readonly tap?: (stream: LogEntry["stream"], chunk: Uint8Array) => Promise<void> | undefined;
}

/** Carries one container's output from its FIFOs to its log, from `open` on, by itself. */
export interface LogPump {
  /**
   * Call when the container has ended: takes what is left in the FIFOs, writes it, and ends. Readers that follow end
   * when they have read everything. Twice is once.
   */
  close(): Promise<void>;
  /** Call when the daemon ends and the container does not: lets go of the FIFOs, where output waits for the next `open`. */
  detach(): void;
}

/** The logs of this node's containers, in Docker's json-file form. */
export interface Logs {
  /** The newest file of a container's log. */
  pathOf(containerId: string): string;
  /**
   * Makes the FIFOs, starts or goes on with the log, and pumps. Before `start` for a new container; at once for one that
   * an earlier daemon left running. One pump a container: Fault "conflict" for a second.
   */
  open(containerId: string, input: LogInput): Promise<LogPump>;
  /**
   * The log's lines, oldest first; none when there is no log. With `follow` it goes on until the pump is closed, or, with no
   * pump open, until `isRunning` says no. An abort ends it with the signal's reason.
   */
  read(
    containerId: string,
    options: LogOptions,
    isRunning: () => boolean,
    signal: AbortSignal,
  ): AsyncGenerator<LogEntry, void, undefined>;
  /** Takes the log's files away, not its folder. Its pump must be closed. No error when there is none. */
  remove(containerId: string): Promise<void>;
}
