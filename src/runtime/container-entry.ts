import type { ContainerState } from "./container.ts";
import type { ContainerFolder } from "./container-folder.ts";
import { type ContainerHistory, writeHistory } from "./container-history.ts";
import type { ContainerRecord } from "./container-record.ts";
import type { Health } from "./health.ts";
import type { InputFifo } from "./input-fifo.ts";
import type { LogPump } from "./log.ts";
import { Taps } from "./taps.ts";

/** What is said of a container that ran when the machine or its shim died, as Docker says it. */
export const UNKNOWN_EXIT = 255;

/** One container as this daemon knows it. What changes it holds the container's lock. */
export class ContainerEntry {
  record: ContainerRecord;
  readonly folder: ContainerFolder;
  status: ContainerState["status"];
  /** containerd has a process for it. */
  hasTask = false;
  pid = 0;
  isPaused = false;
  pump: LogPump | undefined;
  /** Who sees its output as it comes, and its input once somebody has written to it. */
  readonly taps: Taps = new Taps();
  input: InputFifo | undefined;
  isRemoved = false;
  #history: ContainerHistory;
  readonly #waiters = new Set<() => void>();

  constructor(record: ContainerRecord, folder: ContainerFolder, history: ContainerHistory) {
    this.record = record;
    this.folder = folder;
    this.#history = history;
    this.status = statusOf(history);
  }

  get id(): string {
    return this.record.config.id;
  }

  get history(): ContainerHistory {
    return this.#history;
  }

  /** Keeps what happened, on disk too. */
  async note(history: ContainerHistory): Promise<void> {
    this.#history = history;
    await writeHistory(this.folder.history, history);
  }

  /** Keeps how healthy it is; on disk with the next `note`. */
  set health(health: Health) {
    this.#history = { ...this.#history, health };
  }

  /** Wakes all that wait for a change of status. */
  changed(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }

  /** Resolves when it has stopped or is gone; rejects with the signal's reason. */
  ended(signal: AbortSignal): Promise<void> {
    return this.until(() => this.status === "stopped", signal);
  }

  /** Resolves when the condition holds, or it is gone. */
  async until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    while (!condition() && !this.isRemoved) {
      signal.throwIfAborted();
      await this.#change(signal);
    }
  }

  state(logPath: string): ContainerState {
    const { config, imageId, command, mounts, createdAt, healthCheck } = this.record;
    const { startedAt, finishedAt, exitCode, oomKilled, health } = this.#history;
    const { status } = this;
    return {
      id: config.id,
      name: config.name,
      labels: config.labels,
      status,
      ...(status === "running" && { pid: this.pid }),
      ...(status === "running" && this.isPaused && { paused: true }),
      ...(status === "stopped" && { exitCode: exitCode ?? UNKNOWN_EXIT, oomKilled: oomKilled ?? false }),
      createdAt,
      ...(startedAt !== undefined && { startedAt }),
      ...(status === "stopped" && finishedAt !== undefined && { finishedAt }),
      image: config.image,
      imageId,
      config,
      command,
      mounts,
      logPath: config.logDriver === "none" ? "" : logPath,
      ...(healthCheck !== undefined && { healthCheck }),
      ...(health !== undefined && { health }),
    };
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.#waiters.delete(wake);
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiters.add(wake);
    });
  }
}

/** Before containerd says what runs. */
function statusOf({ startedAt, exitCode }: ContainerHistory): ContainerState["status"] {
  if (exitCode !== undefined) return "stopped";
  return startedAt === undefined ? "created" : "running";
}
