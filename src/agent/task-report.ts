import type { Clock } from "../lib/index.ts";
import { type PortSpec, stateRank, type TaskState, type TaskStatus } from "../model/index.ts";
import { reasonOf } from "./reasons.ts";

/** What a report adds to the state. */
export interface ReportDetails {
  readonly pid?: number;
  readonly exitCode?: number;
  /** Of the host, while it runs. */
  readonly ports?: readonly PortSpec[];
  /** Why it failed, or why it waits. */
  readonly error?: string;
}

/** What one runner has told of its task: the state only moves forward. */
export class TaskReport {
  readonly #clock: Clock;
  readonly #send: (status: TaskStatus) => void;
  #status: TaskStatus;
  /** The container it is about, once there is one. */
  containerId: string | undefined;

  constructor(clock: Clock, containerId: string | undefined, send: (status: TaskStatus) => void) {
    this.#clock = clock;
    this.#send = send;
    this.containerId = containerId;
    this.#status = { at: clock.now(), state: "assigned", message: "scheduler assigned task to node" };
  }

  get status(): TaskStatus {
    return this.#status;
  }

  /** True when it has come to this state, or further. */
  isAt(state: TaskState): boolean {
    return stateRank(this.#status.state) >= stateRank(state);
  }

  say(state: TaskState, message: string, { pid, exitCode, ports, error }: ReportDetails = {}): void {
    if (stateRank(state) < stateRank(this.#status.state)) return;
    const container = this.containerId !== undefined && {
      id: this.containerId,
      pid: pid ?? this.#status.container?.pid ?? 0,
      ...(exitCode !== undefined && { exitCode }),
    };
    const open = ports ?? (state === this.#status.state ? this.#status.ports : undefined) ?? [];
    this.#status = {
      ...{ at: this.#clock.now(), state, message },
      ...(error !== undefined && { error: reasonOf(error) }),
      ...(container && { container }),
      ...(open.length > 0 && { ports: open }),
    };
    this.#send(this.#status);
  }

  /** It goes no further now, for this reason. */
  waits(reason: string): void {
    this.say(this.#status.state, this.#status.message, { error: reason });
  }
}
