import { type Clock, Fault, type Log, messageOf, type Random, randomHex, sleep } from "../lib/index.ts";
import {
  DEFAULT_STOP_GRACE_MS,
  isWanted,
  stateRank,
  type TaskState,
  type TaskStatus,
} from "../model/index.ts";
import type { ContainerState, Containers, Images } from "../runtime/index.ts";
import type { AssignedTask } from "./assignment-book.ts";
import type { ContainerConfigInput } from "./sandbox.ts";

/** Where a task's network comes from: the node's sandboxes. */
export interface Sandboxes {
  /** The task's network is in the kernel; what its container needs to know of it. */
  attach(task: AssignedTask): Promise<ContainerConfigInput>;
  detach(taskId: string): Promise<void>;
}

export interface TaskRunnerParts {
  readonly containers: Containers;
  readonly images: Images;
  readonly sandboxes: Sandboxes;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  report(taskId: string, status: TaskStatus): void;
}

const RETRY_MS = 1_000;
/** How often what a task needs is tried while a part (registry, containerd) is away; then another node may do better. */
const PREPARE_TRIES = 10;
const EXIT_SIGNAL_BASE = 128;
/** How long a manager may take to say that a task is drained; longer than it waits for its slowest node. */
export const DRAIN_MS: number = 8_000;

/** The end of a task's life, thrown to leave the normal path. */
class Ended extends Error {}

/**
 * Drives one task through Swarm's states (swarm-map 3.3, swarmkit agent/exec): prepare, hold at READY, start, watch,
 * stop. What the manager wants may move on at any time; the state reported only moves forward.
 */
export class TaskRunner {
  readonly #parts: TaskRunnerParts;
  #task: AssignedTask;
  #status: TaskStatus;
  #containerId: string | undefined;
  /** Its process runs, or has run: what goes wrong now is a failure of it. */
  #isStarted: boolean;
  #gone = false;
  #isDrained = false;
  #wake: (() => void)[] = [];
  readonly #stop = new AbortController();
  /** Rejects when the agent stops. */
  readonly #abandoned: Promise<never>;
  /** Resolves when the runner has nothing more to do. */
  readonly finished: Promise<void>;

  /** `found`: the container an earlier daemon made for this task. */
  constructor(parts: TaskRunnerParts, task: AssignedTask, found: ContainerState | undefined) {
    this.#parts = parts;
    this.#task = task;
    this.#containerId = found?.id;
    this.#isStarted = found !== undefined && found.status !== "created";
    this.#status = { at: parts.clock.now(), state: "assigned", message: "scheduler assigned task to node" };
    this.#abandoned = new Promise((_, reject) => {
      this.#stop.signal.addEventListener("abort", () => reject(this.#stop.signal.reason), { once: true });
    });
    this.#abandoned.catch(() => undefined);
    this.finished = this.#live(found);
  }

  /** The manager's newest word on the task. */
  update(task: AssignedTask): void {
    this.#task = task;
    this.#notify();
  }

  /** No node sends the task new connections any more: if it waits to be stopped, it need not. */
  drained(): void {
    this.#isDrained = true;
    this.#notify();
  }

  /** The task left the assignments: its container goes, with everything that was its own. */
  remove(): void {
    this.#gone = true;
    this.#notify();
  }

  /** The daemon stops: the runner lets go, the container runs on. */
  abandon(): void {
    this.#stop.abort(new Ended("the agent stops"));
    this.#notify();
  }

  get status(): TaskStatus {
    return this.#status;
  }

  get containerId(): string | undefined {
    return this.#containerId;
  }

  async #live(found: ContainerState | undefined): Promise<void> {
    const { log } = this.#parts;
    try {
      await this.#run(found);
      await this.#until(() => this.#gone);
      await this.#cleanUp();
    } catch (error) {
      if (error instanceof Ended) return;
      log.error("task runner failed", { task: this.#task.id, error: messageOf(error) });
    }
  }

  async #run(found: ContainerState | undefined): Promise<void> {
    try {
      if (found === undefined || found.status === "created") await this.#prepare(found);
      if (found?.status !== "stopped") await this.#start(found);
      await this.#watch(found);
    } catch (error) {
      if (error instanceof Ended) throw error;
      await this.#fail(error);
    }
  }

  /** Up to READY: image, network and container are there. */
  async #prepare(found: ContainerState | undefined): Promise<void> {
    if (this.#mustStop) return;
    this.#report("accepted", "accepted");
    this.#report("preparing", "preparing");
    if (found === undefined) await this.#create();
    else await this.#tried(this.#stop.signal, () => this.#parts.sandboxes.attach(this.#task));
    if (this.#containerId === undefined) return;
    this.#report("ready", "prepared");
    await this.#until(() => this.#task.desiredState !== "ready" || this.#mustStop);
  }

  async #create(): Promise<void> {
    const { containers, random } = this.#parts;
    const cancel = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, cancel.signal]);
    try {
      const needs = await Promise.race([this.#gather(signal), this.#until(() => this.#mustStop)]);
      if (needs === undefined || this.#mustStop) return;
      const id = randomHex(random, 32);
      await this.#tried(signal, () => containers.create(needs.place(this.#task, id, needs.image)));
      this.#containerId = id;
    } finally {
      cancel.abort(new Ended("no longer wanted"));
    }
  }

  /** Image and network; given up when the task is no longer wanted. */
  async #gather(signal: AbortSignal): Promise<{ image: string; place: ContainerConfigInput }> {
    const { images, sandboxes } = this.#parts;
    const { image, registryAuth } = this.#task.spec.container;
    const auth = registryAuth ? { auth: registryAuth } : {};
    const [local, place] = await Promise.all([
      this.#tried(signal, () => images.ensure(image, { ...auth, signal })),
      this.#tried(signal, () => sandboxes.attach(this.#task)),
    ]);
    return { image: local.ref, place };
  }

  async #start(found: ContainerState | undefined): Promise<void> {
    if (this.#mustStop || this.#containerId === undefined) return;
    if (found?.status === "running") {
      await this.#reattach();
      return this.#report("running", "started", { pid: found.pid ?? 0 });
    }
    this.#report("starting", "starting");
    this.#isStarted = true;
    const pid = await this.#parts.containers.start(this.#containerId);
    this.#report("running", "started", { pid });
  }

  /** The network of a container that runs already. One that cannot have it again does not run on without it. */
  async #reattach(): Promise<void> {
    try {
      await this.#tried(this.#stop.signal, () => this.#parts.sandboxes.attach(this.#task));
    } catch (error) {
      if (!(error instanceof Ended)) await this.#stopContainer();
      throw error;
    }
  }

  /** Waits for the container's end or the manager's word to stop it. */
  async #watch(found: ContainerState | undefined): Promise<void> {
    const id = this.#containerId;
    if (id === undefined || stateRank(this.#status.state) < stateRank("starting")) {
      if (found?.status === "stopped") return this.#ended(found.exitCode ?? EXIT_SIGNAL_BASE);
      if (this.#mustStop) await this.#stopped(found?.status === "running");
      return;
    }
    const exit = this.#insist(() => this.#parts.containers.wait(id, this.#stop.signal));
    const first = await Promise.race([exit, this.#until(() => this.#mustStop)]);
    if (first === undefined) await this.#stopped(this.#status.state === "running", exit);
    else await this.#ended(first.exitCode);
  }

  async #stopped(wasRunning: boolean, exit?: Promise<unknown>): Promise<void> {
    const { containers, clock } = this.#parts;
    if (wasRunning && this.#task.attachments.length > 0) await this.#drain(exit);
    await this.#stopContainer();
    await this.#detach();
    const exitCode = this.#containerId && (await containers.get(this.#containerId))?.exitCode;
    this.#status = { ...this.#status, at: clock.now() };
    this.#report("shutdown", "shutdown", typeof exitCode === "number" ? { exitCode } : {});
  }

  /** Waits until nobody sends it new connections; not longer than its process runs, nor than a manager may be silent. */
  async #drain(exit: Promise<unknown> | undefined): Promise<void> {
    const over = new AbortController();
    const late = sleep(this.#parts.clock, DRAIN_MS, over.signal);
    const told = this.#until(() => this.#isDrained || this.#gone);
    await Promise.race([late, told, ...(exit === undefined ? [] : [exit])]).finally(() => over.abort());
  }

  async #stopContainer(): Promise<void> {
    const id = this.#containerId;
    const graceMs = this.#task.spec.container.stopGraceMs ?? DEFAULT_STOP_GRACE_MS;
    if (id !== undefined) await this.#insist(() => this.#parts.containers.stop(id, { graceMs }));
  }

  async #ended(exitCode: number): Promise<void> {
    await this.#detach();
    if (exitCode === 0) return this.#report("complete", "finished", { exitCode });
    return this.#report("failed", this.#status.message, { exitCode }, `task: non-zero exit (${exitCode})`);
  }

  /** Before it was started a task is REJECTED, after that FAILED; the reason is the error's own sentence. */
  async #fail(error: unknown): Promise<void> {
    if (this.#isStarted)
      await this.#stopContainer().catch((reason: unknown) => this.#warn("not stopped", reason));
    await this.#detach();
    const state: TaskState = this.#isStarted ? "failed" : "rejected";
    this.#report(state, this.#status.message, {}, messageOf(error));
  }

  async #detach(): Promise<void> {
    await this.#parts.sandboxes.detach(this.#task.id).catch((error: unknown) => {
      this.#warn("sandbox not removed", error);
    });
  }

  async #cleanUp(): Promise<void> {
    const id = this.#containerId;
    if (id !== undefined) await this.#insist(() => this.#parts.containers.remove(id));
    await this.#detach();
  }

  /** Runs `work`, again after a second while a part is away, some times; meanwhile the status says why it waits. */
  async #tried<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (!Fault.is(error, "unavailable") || tries === PREPARE_TRIES) throw error;
        this.#report(this.#status.state, this.#status.message, {}, messageOf(error));
        await sleep(this.#parts.clock, RETRY_MS, signal);
      }
    }
  }

  /** Runs `work`, again after a second while a part is away: what was begun must be ended, by the next daemon if need be. */
  async #insist<T>(work: () => Promise<T>): Promise<T> {
    while (true) {
      try {
        return await Promise.race([work(), this.#abandoned]);
      } catch (error) {
        if (this.#stop.signal.aborted) throw new Ended("the agent stops");
        if (!Fault.is(error, "unavailable")) throw error;
        this.#warn("trying again", error);
        await sleep(this.#parts.clock, RETRY_MS, this.#stop.signal);
      }
    }
  }

  #warn(message: string, error: unknown): void {
    this.#parts.log.warn(message, { task: this.#task.id, error: messageOf(error) });
  }

  get #mustStop(): boolean {
    return this.#gone || !isWanted(this.#task);
  }

  #report(
    state: TaskState,
    message: string,
    container: { pid?: number; exitCode?: number } = {},
    error?: string,
  ): void {
    const { clock, report } = this.#parts;
    if (stateRank(state) < stateRank(this.#status.state)) return;
    const before = this.#status.container;
    this.#status = {
      at: clock.now(),
      state,
      message,
      ...(error !== undefined && { error }),
      ...(this.#containerId !== undefined && {
        container: { id: this.#containerId, pid: container.pid ?? before?.pid ?? 0, ...exitOf(container) },
      }),
    };
    report(this.#task.id, this.#status);
  }

  /** Resolves (to undefined) when the condition holds; rejects with Ended when the agent stops. */
  async #until(condition: () => boolean): Promise<undefined> {
    while (!condition()) {
      if (this.#stop.signal.aborted) throw new Ended("the agent stops");
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    if (this.#stop.signal.aborted) throw new Ended("the agent stops");
    return undefined;
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}

function exitOf({ exitCode }: { exitCode?: number }): { exitCode?: number } {
  return exitCode === undefined ? {} : { exitCode };
}
