import { Fault, type Log, messageOf, sleep } from "../lib/index.ts";
import { DEFAULT_STOP_GRACE_MS, type TaskState, type TaskStatus } from "../model/index.ts";
import type { ContainerState, Containers, HealthStatus } from "../runtime/index.ts";
import type { AssignedTask } from "./assigned-task.ts";
import { lastWords } from "./last-words.ts";
import { Patience } from "./patience.ts";
import { createContainer, type PrepareParts, type Sandboxes } from "./prepare.ts";
import { exitReason, unhealthyReason } from "./reasons.ts";
import { Ended, TaskOrders } from "./task-orders.ts";
import { type ReportDetails, TaskReport } from "./task-report.ts";

export interface TaskRunnerParts extends PrepareParts {
  readonly containers: Containers;
  readonly sandboxes: Sandboxes;
  readonly log: Log;
  report(taskId: string, status: TaskStatus): void;
}

/** The exit code of a container of which nobody knows it. */
const EXIT_UNKNOWN = 128;
/** How long a manager may take to say that a task is drained; longer than it waits for its slowest node. */
export const DRAIN_MS: number = 8_000;

type Exit = Promise<{ readonly exitCode: number }>;

/** What a started task has come to. */
type Turn =
  | { readonly kind: "exit"; readonly exitCode: number }
  | { readonly kind: "healthy" }
  | { readonly kind: "unhealthy" }
  | { readonly kind: "stop" };

/**
 * Drives one task through Swarm's states (swarm-map 3.3, swarmkit agent/exec): prepare, hold at READY, start, wait for its
 * health, watch, stop. What the manager wants may move on at any time; the state reported only moves forward.
 */
export class TaskRunner {
  readonly #parts: TaskRunnerParts;
  readonly #orders: TaskOrders;
  readonly #patience: Patience;
  readonly #report: TaskReport;
  /** Its process runs, or has run: what goes wrong now is a failure of it. */
  #isStarted: boolean;
  /** Resolves when the runner has nothing more to do. */
  readonly finished: Promise<void>;

  /** `found`: the container an earlier daemon made for this task. */
  constructor(parts: TaskRunnerParts, task: AssignedTask, found: ContainerState | undefined) {
    const { clock } = parts;
    this.#parts = parts;
    this.#orders = new TaskOrders(task);
    this.#patience = new Patience(clock, this.#orders, (message, error) => this.#warn(message, error));
    this.#report = new TaskReport(clock, found?.id, (status) => parts.report(task.id, status));
    this.#isStarted = found !== undefined && found.status !== "created";
    this.finished = this.#live(found);
  }

  /** The manager's newest word on the task. */
  update(task: AssignedTask): void {
    this.#orders.update(task);
  }

  /** No node sends the task new connections any more: if it waits to be stopped, it need not. */
  drained(): void {
    this.#orders.drained();
  }

  /** The task left the assignments: its container goes, with everything that was its own. */
  remove(): void {
    this.#orders.remove();
  }

  /** The daemon stops: the runner lets go, the container runs on. */
  abandon(): void {
    this.#orders.abandon();
  }

  get status(): TaskStatus {
    return this.#report.status;
  }

  get containerId(): string | undefined {
    return this.#report.containerId;
  }

  async #live(found: ContainerState | undefined): Promise<void> {
    try {
      await this.#run(found);
      await this.#orders.until(() => this.#orders.isGone);
      await this.#cleanUp();
    } catch (error) {
      if (error instanceof Ended) return;
      this.#parts.log.error("task runner failed", { task: this.#orders.task.id, error: messageOf(error) });
    }
  }

  async #run(found: ContainerState | undefined): Promise<void> {
    try {
      if (found?.status === "stopped") return await this.#exited(found.id, found.exitCode ?? EXIT_UNKNOWN);
      if (found?.status === "running") return await this.#resume(found);
      const id = await this.#prepare(found);
      if (id === undefined || this.#orders.mustStop) return await this.#shutDown();
      await this.#start(id);
    } catch (error) {
      if (error instanceof Ended) throw error;
      await this.#fail(error);
    }
  }

  /** Up to READY, and over it once it may run: image, network and container are there. The container's id. */
  async #prepare(found: ContainerState | undefined): Promise<string | undefined> {
    const [orders, report] = [this.#orders, this.#report];
    if (orders.mustStop) return undefined;
    report.say("accepted", "accepted");
    report.say("preparing", "preparing");
    if (found === undefined) {
      await createContainer(this.#parts, { orders, patience: this.#patience, report });
    } else await this.#attach();
    if (this.containerId === undefined) return undefined;
    report.say("ready", "prepared");
    await orders.until(() => orders.task.desiredState !== "ready" || orders.mustStop);
    return this.containerId;
  }

  async #start(id: string): Promise<void> {
    const { containers } = this.#parts;
    this.#report.say("starting", "starting");
    this.#isStarted = true;
    const pid = await containers.start(id).catch((error: unknown) => {
      if (!(error instanceof Fault)) throw error;
      throw new Fault(error.kind, `starting container failed: ${error.message}`, { cause: error });
    });
    // Whatever it says by now: an end is seen by the watch, before anything else.
    const hasCheck = (await containers.get(id))?.health !== undefined;
    await this.#watch(id, pid, hasCheck ? "starting" : undefined);
  }

  /** Goes on with a container that runs already. */
  async #resume({ id, pid = 0, health }: ContainerState): Promise<void> {
    if (this.#orders.mustStop) return this.#shutDown(true);
    try {
      await this.#attach();
    } catch (error) {
      // One that cannot have its network again does not run on without it.
      if (!(error instanceof Ended)) await this.#stopContainer();
      throw error;
    }
    await this.#watch(id, pid, health?.status);
  }

  /**
   * Follows a started container to its end. With a health check it is STARTING until that says healthy, and so no endpoint
   * before; one that becomes unhealthy, then or later, is stopped.
   */
  async #watch(id: string, pid: number, health: HealthStatus | undefined): Promise<void> {
    const ports = this.#parts.sandboxes.portsOf(this.#orders.task.id);
    const running = () => this.#report.say("running", "started", { pid, ports });
    const exit: Exit = this.#patience.insist(() => this.#parts.containers.wait(id, this.#orders.signal));
    exit.catch(() => undefined);
    if (health === "unhealthy") return this.#unhealthy(id, exit);
    if (health !== "starting") running();
    else if (!this.#report.isAt("starting")) this.#report.say("starting", "starting", { pid });
    for (let known = health; ; known = "healthy") {
      const turn = await this.#turn(id, exit, known);
      if (turn.kind === "unhealthy") return this.#unhealthy(id, exit);
      if (turn.kind === "stop") return this.#shutDown(this.#report.isAt("running"), exit);
      // Who is done before anybody asked for its health has run all the same.
      if (turn.kind === "healthy" || turn.exitCode === 0) running();
      if (turn.kind === "exit") return this.#exited(id, turn.exitCode);
    }
  }

  /** What happens next to a started container. `known`: what was last heard of its health, if it has a check. */
  async #turn(id: string, exit: Exit, known: HealthStatus | undefined): Promise<Turn> {
    const orders = this.#orders;
    const over = new AbortController();
    const signal = AbortSignal.any([orders.signal, over.signal]);
    const healthOf = () => this.#parts.containers.waitHealth(id, signal, known);
    const turns: Promise<Turn>[] = [
      exit.then(({ exitCode }) => ({ kind: "exit", exitCode })),
      orders.until(() => orders.mustStop).then(() => ({ kind: "stop" })),
    ];
    if (known !== undefined) turns.push(this.#patience.insist(healthOf).then((kind) => ({ kind })));
    return Promise.race(turns).finally(() => over.abort(new Ended("the turn is over")));
  }

  async #shutDown(isEndpoint = false, exit?: Exit): Promise<void> {
    if (isEndpoint) await this.#drain(exit);
    const exitCode = await this.#stopContainer();
    await this.#end("shutdown", "shutdown", exitCode === undefined ? {} : { exitCode });
  }

  /** Waits until nobody sends it new connections; not longer than its process runs, nor than a manager may be silent. */
  async #drain(exit: Exit | undefined): Promise<void> {
    const orders = this.#orders;
    if (orders.task.attachments.length === 0) return;
    const over = new AbortController();
    const late = sleep(this.#parts.clock, DRAIN_MS, over.signal);
    const told = orders.until(() => orders.isDrained || orders.isGone);
    await Promise.race([late, told, ...(exit === undefined ? [] : [exit])]).finally(() => over.abort());
  }

  /** One that took traffic is given up first: an error of a running task takes it out of every balancer. */
  async #unhealthy(id: string, exit: Exit): Promise<void> {
    const error = unhealthyReason((await this.#parts.containers.get(id))?.health);
    if (this.#report.isAt("running")) {
      this.#report.say("running", this.status.message, { error });
      await this.#drain(exit);
    }
    const exitCode = await this.#stopContainer();
    await this.#end("failed", this.status.message, { error, ...(exitCode !== undefined && { exitCode }) });
  }

  async #exited(id: string, exitCode: number): Promise<void> {
    if (exitCode === 0) return this.#end("complete", "finished", { exitCode });
    const { containers, clock } = this.#parts;
    const [ended, lines] = await Promise.all([containers.get(id), lastWords(containers, clock, id)]);
    const error = exitReason(exitCode, ended, lines);
    await this.#end("failed", this.status.message, { exitCode, error });
  }

  /** Before it was started a task is REJECTED, after that FAILED; the reason is the error's own sentence. */
  async #fail(error: unknown): Promise<void> {
    if (this.#isStarted)
      await this.#stopContainer().catch((reason: unknown) => this.#warn("not stopped", reason));
    await this.#end(this.#isStarted ? "failed" : "rejected", this.status.message, {
      error: messageOf(error),
    });
  }

  /** The one place where a container is asked to stop; with which code it ended, if it ever ran. */
  async #stopContainer(): Promise<number | undefined> {
    const { containers } = this.#parts;
    const id = this.containerId;
    if (id === undefined) return undefined;
    const graceMs = this.#orders.task.spec.container.stopGraceMs ?? DEFAULT_STOP_GRACE_MS;
    await this.#patience.insist(() => containers.stop(id, { graceMs }));
    return (await containers.get(id))?.exitCode;
  }

  async #end(state: TaskState, message: string, details: ReportDetails): Promise<void> {
    await this.#detach();
    this.#report.say(state, message, details);
  }

  async #attach(): Promise<void> {
    const attach = () => this.#parts.sandboxes.attach(this.#orders.task);
    await this.#patience.try(this.#orders.signal, attach, (reason) => this.#report.waits(reason));
  }

  async #detach(): Promise<void> {
    await this.#parts.sandboxes.detach(this.#orders.task.id).catch((error: unknown) => {
      this.#warn("sandbox not removed", error);
    });
  }

  async #cleanUp(): Promise<void> {
    const id = this.containerId;
    if (id !== undefined) await this.#patience.insist(() => this.#parts.containers.remove(id));
    await this.#detach();
  }

  #warn(message: string, error: unknown): void {
    this.#parts.log.warn(message, { task: this.#orders.task.id, error: messageOf(error) });
  }
}
