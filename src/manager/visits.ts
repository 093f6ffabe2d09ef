import { aborted, type Clock, Fault, newId, type Random, withDeadline } from "../lib/index.ts";
import {
  type LookedAt,
  type Node,
  type ProcessList,
  type ProgramOrder,
  type StreamIo,
  type Task,
  type TerminalSize,
  taskName,
} from "../model/index.ts";
import type {
  NodeWord,
  PeerIdentity,
  SessionStream,
  VisitorWord,
  VisitStream,
  VisitsService,
  VisitWish,
} from "../rpc/index.ts";
import type { Store } from "../store/index.ts";
import { Visit } from "./visit.ts";

export interface VisitsParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** The session of a node that has been welcomed. */
  readonly streamOf: (nodeId: string) => SessionStream | undefined;
}

/** A program that runs on another node. */
export interface VisitedProgram {
  readonly pid: number;
  /** Its exit code, once all of its output has been taken. Fault "unavailable" when the node is lost: there it is ended then. */
  readonly ended: Promise<number>;
  resize(size: TerminalSize): Promise<void>;
}

/** A visit that a node was asked to open. */
interface Expected {
  readonly nodeId: string;
  come(visit: Visit): void;
}

/** How long a node may take to come, and to say which visit it opened. */
const COME_MS = 10_000;
const never = new AbortController().signal;

/**
 * Lets users of this manager see and do what `docker exec` does at the containers of tasks on other nodes. The node is asked on its
 * session, which it has with managers alone, and opens a connection to this one; an id, told to it only, says what for.
 */
export class Visits implements VisitsService {
  readonly #parts: VisitsParts;
  readonly #expected = new Map<string, Expected>();
  readonly #open = new Set<VisitStream<VisitorWord, NodeWord>>();

  constructor(parts: VisitsParts) {
    this.#parts = parts;
  }

  /** A node opens a visit. It is turned away unless it was asked for exactly this one. */
  async visit({ nodeId }: PeerIdentity, stream: VisitStream<VisitorWord, NodeWord>): Promise<void> {
    const visit = new Visit(stream);
    const late = "cannot begin a visit: the node does not say which";
    const first = await withDeadline(this.#parts.clock, COME_MS, late, () => visit.next());
    const visitId = first.kind === "come" ? first.visitId : "";
    const expected = this.#expected.get(visitId);
    if (expected?.nodeId !== nodeId) {
      throw new Fault("not-found", "cannot begin a visit: this node was not asked for it");
    }
    this.#expected.delete(visitId);
    this.#open.add(stream);
    expected.come(visit);
    await aborted(stream.over);
    this.#open.delete(stream);
  }

  /** The manager stops: every visit ends, and on its node what it ran. */
  close(): void {
    for (const stream of this.#open) stream.close();
  }

  /** How the task's container is. Faults: "conflict" for a task that is on no node, "unavailable" for a node that is away, the node's own. */
  async look(taskId: string, signal: AbortSignal): Promise<LookedAt> {
    const visit = await this.#begin(taskId, { kind: "look" }, signal);
    return visit.only("looked", signal);
  }

  /** Its processes as ps(1) of its node shows them. Faults as of `look`. */
  async processes(taskId: string, args: string, signal: AbortSignal): Promise<ProcessList> {
    const visit = await this.#begin(taskId, { kind: "processes", args }, signal);
    return visit.only("processes", signal);
  }

  /**
   * Runs a program there, until it ends or the signal aborts, which ends it; without a signal it runs on by itself and shows nothing.
   * Faults as of `look`; "invalid" in runc's words when it cannot run.
   */
  async run(
    taskId: string,
    order: ProgramOrder,
    { io, signal }: { readonly io: StreamIo; readonly signal?: AbortSignal | undefined },
  ): Promise<VisitedProgram> {
    const wish = { kind: "program", order, isDetached: signal === undefined } as const;
    const visit = await this.#begin(taskId, wish, signal ?? never);
    return visit.follow(io, signal ?? never);
  }

  /** Asks the task's node, and tells it what for once it has come. */
  async #begin(taskId: string, wish: VisitWish, signal: AbortSignal): Promise<Visit> {
    const { store, clock, random, streamOf } = this.#parts;
    const { name, node } = placeOf(store, taskId);
    const away = `cannot reach the container of task ${name}: node ${hostnameOf(node)}`;
    const session = streamOf(node.id);
    if (session === undefined) throw new Fault("unavailable", `${away} is not available`);
    const visitId = newId(random);
    let leave = () => {};
    const coming = new Promise<Visit>((resolve, reject) => {
      this.#expected.set(visitId, { nodeId: node.id, come: resolve });
      leave = () => reject(signal.reason);
    });
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    session.send({ kind: "visit-request", visitId });
    try {
      const visit = await withDeadline(clock, COME_MS, `${away} does not answer`, () => coming);
      await visit.ask(taskId, wish);
      return visit;
    } finally {
      this.#expected.delete(visitId);
      signal.removeEventListener("abort", leave);
    }
  }
}

function placeOf({ view }: Store, taskId: string): { readonly name: string; readonly node: Node } {
  const task = view.get("task", taskId);
  if (task === undefined) throw new Fault("not-found", `task ${taskId} not found`);
  const node = task.nodeId === undefined ? undefined : view.get("node", task.nodeId);
  if (node === undefined) throw new Fault("conflict", notRunning(task));
  return { name: taskName(task), node };
}

function notRunning(task: Task): string {
  return `task ${taskName(task)} is not running: it is ${task.status.state}`;
}

function hostnameOf({ id, description }: Node): string {
  return description?.hostname ?? id;
}
