import { type Clock, Fault, type Log, messageOf, type Random, randomHex, sleep } from "../lib/index.ts";
import { DEFAULT_STOP_GRACE_MS, stateRank, type TaskState, type TaskStatus } from "../model/index.ts";
import type { ContainerState, Containers, Images } from "../runtime/index.ts";
import type { AssignedTask } from "./assignment-book.ts";
import { TASK_ID_LABEL } from "./container-config.ts";
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
const EXIT_SIGNAL_BASE = 128;

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
  #gone = false;
  #wake: (() => void)[] = [];
  readonly #stop = new AbortController();
  /** Resolves when the runner has nothing more to do. */
  readonly finished: Promise<void>;

  /** `found`: the container an earlier daemon made for this task. */
  constructor(parts: TaskRunnerParts, task: AssignedTask, found: ContainerState | undefined) {
    this.#parts = parts;
    this.#task = task;
    this.#containerId = found?.id;
    this.#status = { at: parts.clock.now(), state: "assigned", message: "scheduler assigned task to node" };
    this.finished = this.#live(found);
  }

  /** The manager's newest word on the task. */
  update(task: AssignedTask): void {
    this.#task = task;
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
    else await this.#parts.sandboxes.attach(this.#task);
    this.#report("ready", "prepared");
    await this.#until(() => this.#task.desiredState === "running" || this.#mustStop);
  }

  async #create(): Promise<void> {
    const { containers, images, sandboxes, random } = this.#parts;
    const { image, registryAuth } = this.#task.spec.container;
    const [local, place] = await Promise.all([
      this.#retry(() =>
        images.ensure(image, { ...(registryAuth && { auth: registryAuth }), signal: this.#stop.signal }),
      ),
      this.#retry(() => sandboxes.attach(this.#task)),
    ]);
    if (this.#mustStop) return;
    const id = randomHex(random, 32);
    await this.#retry(() => containers.create(place(this.#task, id, local.ref)));
    this.#containerId = id;
  }

  async #start(found: ContainerState | undefined): Promise<void> {
    if (this.#mustStop || this.#containerId === undefined) return;
    if (found?.status === "running") {
      await this.#parts.sandboxes.attach(this.#task);
      return this.#report("running", "started", { pid: found.pid ?? 0 });
    }
    this.#report("starting", "starting");
    const pid = await this.#parts.containers.start(this.#containerId);
    this.#report("running", "started", { pid });
  }

  /** Waits for the container's end or the manager's word to stop it. */
  async #watch(found: ContainerState | undefined): Promise<void> {
    const id = this.#containerId;
    if (id === undefined || stateRank(this.#status.state) < stateRank("starting")) {
      if (found?.status === "stopped") return this.#ended(found.exitCode ?? EXIT_SIGNAL_BASE);
      if (this.#mustStop) await this.#stopped();
      return;
    }
    const exit = this.#parts.containers.wait(id, this.#stop.signal);
    const first = await Promise.race([exit, this.#until(() => this.#mustStop)]);
    if (first === undefined) await this.#stopped();
    else await this.#ended(first.exitCode);
  }

  async #stopped(): Promise<void> {
    const { containers, clock } = this.#parts;
    const graceMs = this.#task.spec.container.stopGraceMs ?? DEFAULT_STOP_GRACE_MS;
    if (this.#containerId !== undefined) {
      await this.#retry(() => containers.stop(this.#containerId ?? "", { graceMs }));
    }
    await this.#detach();
    const exitCode = this.#containerId && (await containers.get(this.#containerId))?.exitCode;
    this.#status = { ...this.#status, at: clock.now() };
    this.#report("shutdown", "shutdown", typeof exitCode === "number" ? { exitCode } : {});
  }

  async #ended(exitCode: number): Promise<void> {
    await this.#detach();
    if (exitCode === 0) return this.#report("complete", "finished", { exitCode });
    return this.#report("failed", this.#status.message, { exitCode }, `task: non-zero exit (${exitCode})`);
  }

  /** Before it was started a task is REJECTED, after that FAILED; the reason is the error's own sentence. */
  async #fail(error: unknown): Promise<void> {
    await this.#detach();
    const state: TaskState = stateRank(this.#status.state) < stateRank("starting") ? "rejected" : "failed";
    this.#report(state, this.#status.message, {}, messageOf(error));
  }

  async #detach(): Promise<void> {
    await this.#parts.sandboxes.detach(this.#task.id).catch((error: unknown) => {
      this.#parts.log.warn("sandbox not removed", { task: this.#task.id, error: messageOf(error) });
    });
  }

  async #cleanUp(): Promise<void> {
    const id = this.#containerId;
    if (id !== undefined) await this.#retry(() => this.#parts.containers.remove(id));
    await this.#detach();
  }

  /** Runs `work`, again after a second while a part is away; any other fault is the task's. */
  async #retry<T>(work: () => Promise<T>): Promise<T> {
    while (true) {
      try {
        return await work();
      } catch (error) {
        if (this.#stop.signal.aborted) throw new Ended("the agent stops");
        if (!Fault.is(error, "unavailable") || this.#gone) throw error;
        this.#parts.log.warn("trying again", { task: this.#task.id, error: messageOf(error) });
        await sleep(this.#parts.clock, RETRY_MS, this.#stop.signal);
      }
    }
  }

  get #mustStop(): boolean {
    return this.#gone || stateRank(this.#task.desiredState) > stateRank("running");
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

/** The task that a container was made for. */
export function taskIdOf(container: ContainerState): string | undefined {
  return container.labels[TASK_ID_LABEL];
}
