import type { Clock, Instant, Log, Timer } from "../lib/index.ts";
import { isServing, type Task } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { isAway } from "./assignments.ts";

/** How long the slowest node may keep a task from its stop: a node that is lost, or stuck, must not hold it for ever. */
export const DRAIN_MS: number = 5_000;

/** What a node was told last in one session, and what of that its kernel works by: numbers of sets, 0 for none. */
export interface Standing {
  readonly sequence: number;
  readonly applied: number;
}

export interface DrainingParts {
  /** The node's session now. */
  standingOf(nodeId: string): Standing | undefined;
  /** Tells the node that nobody sends these tasks of its own new connections any more. */
  tell(nodeId: string, taskIds: readonly string[]): void;
  readonly clock: Clock;
  readonly log: Log;
}

/** The set without the task that a node must work by: this one of this session, or any of a later session. */
interface Mark {
  readonly standing: Standing | undefined;
  readonly sequence: number;
}

interface Drain {
  readonly nodeId: string;
  /** By node that may still send to the task. */
  readonly marks: Map<string, Mark>;
  readonly began: Instant;
  readonly timer: Timer;
}

/** A process that runs, took connections through a network, and is to stop or was given up: no set that is told from now on has it as an endpoint. */
export function isLeaving(task: Task | undefined): task is Task & { readonly nodeId: string } {
  return (
    task?.nodeId !== undefined &&
    task.status.state === "running" &&
    !isServing(task) &&
    task.attachments.length > 0
  );
}

/** Tasks that are to stop, each until every node that sends to it works by a set without it, or for `DRAIN_MS`. */
export class Draining {
  readonly #parts: DrainingParts;
  readonly #drains = new Map<string, Drain>();

  constructor(parts: DrainingParts) {
    this.#parts = parts;
  }

  /** Begins with those of these tasks that are leaving. Called when all sessions have been told the view. */
  begin(view: View, tasks: Iterable<Task | undefined>): void {
    const leaving = [...tasks].filter(isLeaving).filter(({ id }) => !this.#drains.has(id));
    for (const task of leaving) {
      const marks = new Map(sendersTo(view, task).flatMap((nodeId) => this.#markOf(nodeId)));
      const timer = this.#parts.clock.after(DRAIN_MS, () => this.#giveUp(task.id));
      this.#drains.set(task.id, { nodeId: task.nodeId, marks, timer, began: this.#parts.clock.now() });
    }
    this.#tellDone();
  }

  /** The node works by the set that its session's standing says. */
  applied(nodeId: string, standing: Standing): void {
    this.#release(nodeId, (mark) => mark.standing !== standing || standing.applied >= mark.sequence);
  }

  /** Nobody waits for a node that is down or gone. */
  forget(nodeId: string): void {
    this.#release(nodeId, () => true);
  }

  close(): void {
    for (const { timer } of this.#drains.values()) timer.cancel();
    this.#drains.clear();
  }

  #release(nodeId: string, isDone: (mark: Mark) => boolean): void {
    if (this.#drains.size === 0) return;
    for (const { marks } of this.#drains.values()) {
      const mark = marks.get(nodeId);
      if (mark !== undefined && isDone(mark)) marks.delete(nodeId);
    }
    this.#tellDone();
  }

  #markOf(nodeId: string): [string, Mark][] {
    const standing = this.#parts.standingOf(nodeId);
    // A node without a session may be on its way back, and send meanwhile.
    const sequence = Math.max(1, standing?.sequence ?? 1);
    return standing !== undefined && standing.applied >= sequence ? [] : [[nodeId, { standing, sequence }]];
  }

  #giveUp(taskId: string): void {
    const drain = this.#drains.get(taskId);
    if (drain === undefined) return;
    const nodes = [...drain.marks.keys()];
    this.#parts.log.warn("task stops before all nodes let go of it", {
      task: taskId,
      nodes: nodes.join(" "),
    });
    drain.marks.clear();
    this.#tellDone();
  }

  #tellDone(): void {
    const done = new Map<string, string[]>();
    const { clock, log } = this.#parts;
    for (const [taskId, { nodeId, marks, timer, began }] of this.#drains) {
      if (marks.size > 0) continue;
      timer.cancel();
      log.debug("task drained", { task: taskId, node: nodeId, tookMs: clock.now() - began });
      this.#drains.delete(taskId);
      done.set(nodeId, [...(done.get(nodeId) ?? []), taskId]);
    }
    for (const [nodeId, taskIds] of done) this.#parts.tell(nodeId, taskIds);
  }
}

/** The nodes whose kernels may send to the task: those on one of its networks that are not known to be down. */
function sendersTo(view: View, { attachments }: Task): string[] {
  return [...view.all("node")]
    .filter(
      (node) =>
        !isAway(view, node.id) &&
        attachments.some(({ networkId }) => node.attachments[networkId] !== undefined),
    )
    .map(({ id }) => id);
}
