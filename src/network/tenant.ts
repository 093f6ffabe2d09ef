import { netnsNameOf, type TaskFact } from "../dataplane/index.ts";
import type { Kernel } from "../kernel/index.ts";
import { type Clock, sleep } from "../lib/index.ts";

/** How long an answer may be on its way to a slow reader after its server has ended, and how often that is looked at. */
export const LINGER_MS: number = 10_000;
const LINGER_LOOK_MS = 50;

/** What a tenant needs of the loop that keeps the kernel. */
export interface TenantDoor {
  readonly kernel: Pick<Kernel, "undelivered">;
  readonly clock: Clock;
  /** Something of the tenant's is other than before. */
  changed(): void;
  /** Resolves when the kernel works by what the tenant says now; `taskId` narrows whose trouble counts. */
  applied(tenant: Tenant, taskId: string | undefined): Promise<void>;
  /** The tenant says nothing any more: whoever waits for it is told. */
  closed(tenant: Tenant): void;
}

/** One of the two whose sandboxes this node has: the agent for its tasks, the engine for containers made by hand. */
export class Tenant {
  protected readonly door: TenantDoor;
  readonly #tasks = new Map<string, TaskFact>();
  /** Whose sandbox is to go, until the kernel has let go of it; and what is to be done then. */
  readonly #leaving = new Map<string, () => void>();
  #closed = false;

  constructor(door: TenantDoor) {
    this.door = door;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  tasks(): readonly TaskFact[] {
    return [...this.#tasks.values()];
  }

  leaving(): ReadonlyMap<string, () => void> {
    return this.#leaving;
  }

  /**
   * Gives the task a sandbox; resolves when the kernel has it. Faults: "internal" when the kernel refuses it,
   * "unavailable" while no manager has told of one of its networks.
   */
  attach(task: TaskFact): Promise<void> {
    this.#leaving.delete(task.taskId);
    this.#tasks.set(task.taskId, task);
    return this.door.applied(this, task.taskId);
  }

  /**
   * Resolves when what the task's process said last has been taken by those it said it to, so that its sandbox may go; after
   * `LINGER_MS` in any case: some of them may be gone themselves.
   */
  async delivered(taskId: string): Promise<void> {
    const { kernel, clock } = this.door;
    const until = clock.now() + LINGER_MS;
    while (!this.#closed && clock.now() < until && (await kernel.undelivered(netnsNameOf(taskId))) > 0)
      await sleep(clock, LINGER_LOOK_MS);
  }

  /**
   * Takes the task's sandbox away; resolves when the kernel has let go, rejects when it would not yet. `onGone` is called
   * once it has, be it later: what the sandbox used is free then, and not before.
   */
  detach(taskId: string, onGone: () => void = () => undefined): Promise<void> {
    if (!this.#tasks.delete(taskId) && !this.#leaving.has(taskId)) {
      onGone();
      return Promise.resolve();
    }
    this.#leaving.set(taskId, onGone);
    return this.door.applied(this, taskId);
  }

  /** Takes back a sandbox that the kernel has not been told of. */
  withdraw(taskId: string, onGone: () => void): void {
    this.#tasks.delete(taskId);
    onGone();
    this.door.changed();
  }

  /** The kernel has let go of a sandbox, unless it is wanted again since. */
  letGo(taskId: string, onGone: () => void): void {
    if (this.#leaving.get(taskId) !== onGone) return;
    this.#leaving.delete(taskId);
    onGone();
  }

  /** Sandboxes that exist before this process does (their containers run): no waiting. */
  adopt(tasks: readonly TaskFact[]): void {
    for (const task of tasks) this.#tasks.set(task.taskId, task);
    this.door.changed();
  }

  /** Resolves after the next complete application. */
  settle(): Promise<void> {
    return this.door.applied(this, undefined);
  }

  /** Says nothing any more. What it has in the kernel stays there. */
  close(): void {
    this.#closed = true;
    this.door.closed(this);
  }
}
