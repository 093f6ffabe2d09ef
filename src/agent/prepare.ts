import { type Clock, type Random, randomHex } from "../lib/index.ts";
import type { PortSpec } from "../model/index.ts";
import type { Containers, FileContents, Images } from "../runtime/index.ts";
import type { AssignedTask } from "./assigned-task.ts";
import type { Patience } from "./patience.ts";
import { pullFault } from "./reasons.ts";
import type { ContainerConfigInput } from "./sandbox.ts";
import { Ended, type TaskOrders } from "./task-orders.ts";
import type { TaskReport } from "./task-report.ts";

/** Where a task's network comes from: the node's sandboxes. */
export interface Sandboxes {
  /** The task's network is in the kernel; what its container needs to know of it. Fault "invalid" for words it cannot use. */
  attach(task: AssignedTask): Promise<ContainerConfigInput>;
  /** Its host-mode ports with their numbers, once attached. */
  portsOf(taskId: string): readonly PortSpec[];
  detach(taskId: string): Promise<void>;
}

export interface PrepareParts {
  readonly containers: Pick<Containers, "create">;
  readonly images: Pick<Images, "ensure">;
  readonly sandboxes: Pick<Sandboxes, "attach">;
  readonly clock: Clock;
  readonly random: Random;
  /** What the task's secrets and configs hold; undefined while a manager has to say. Fault "not-found". */
  contentsOf(task: AssignedTask): FileContents | undefined;
}

/** One runner's own: what is wanted of it, how long it waits, what it tells. */
export interface RunnerSelf {
  readonly orders: TaskOrders;
  readonly patience: Patience;
  readonly report: TaskReport;
}

/** A pull that takes longer than this is told. */
const LONG_PULL_MS = 1_000;

/** Makes the task's container, whose id the report has then; given up when the task is no longer wanted. */
export async function createContainer(parts: PrepareParts, self: RunnerSelf): Promise<void> {
  const { orders, patience, report } = self;
  const cancel = new AbortController();
  const signal = AbortSignal.any([orders.signal, cancel.signal]);
  try {
    const needs = await Promise.race([gather(parts, self, signal), orders.until(() => orders.mustStop)]);
    if (needs === undefined || orders.mustStop) return;
    const id = randomHex(parts.random, 32);
    const config = needs.place(orders.task, id, needs.image);
    const contents = parts.contentsOf(orders.task);
    await patience.try(
      signal,
      () => parts.containers.create(config, contents),
      (reason) => report.waits(reason),
    );
    report.containerId = id;
  } finally {
    cancel.abort(new Ended("no longer wanted"));
  }
}

const SILENCE = "waiting for a manager to say its secrets again: they are kept in no file";

/** After a restart of the agent a task may have to wait for what only managers know. */
async function supply(parts: PrepareParts, { orders, report }: RunnerSelf): Promise<void> {
  report.waits(SILENCE);
  await orders.until(() => parts.contentsOf(orders.task) !== undefined);
}

/** Image and network, at the same time. */
async function gather(
  parts: PrepareParts,
  self: RunnerSelf,
  signal: AbortSignal,
): Promise<{ image: string; place: ContainerConfigInput }> {
  const { orders, patience, report } = self;
  if (parts.contentsOf(orders.task) === undefined) await supply(parts, self);
  const attach = () => parts.sandboxes.attach(orders.task);
  const [image, place] = await Promise.all([
    pull(parts, self, signal),
    patience.try(signal, attach, (reason) => report.waits(reason)),
  ]);
  return { image, place };
}

async function pull(
  { images, clock }: PrepareParts,
  { orders, patience, report }: RunnerSelf,
  signal: AbortSignal,
): Promise<string> {
  const { image, registryAuth } = orders.task.spec.container;
  const auth = registryAuth ? { auth: registryAuth } : {};
  const [name = image] = image.split("@");
  const timer = clock.after(LONG_PULL_MS, () => report.say("preparing", `preparing: pulling ${name}`));
  try {
    const ensure = async () => {
      try {
        return await images.ensure(image, { ...auth, signal });
      } catch (error) {
        throw pullFault(image, error);
      }
    };
    return (await patience.try(signal, ensure, (reason) => report.waits(reason))).ref;
  } finally {
    timer.cancel();
  }
}
