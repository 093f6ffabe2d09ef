import { FakeClock, type Fault, type Log, seededRandom, silentLog } from "../lib/index.ts";
import type { ContainerSpec, DesiredState, PortSpec, TaskState, TaskStatus } from "../model/index.ts";
import { aContainer, aService, aTask, aTaskSpec } from "../model/objects.fake.ts";
import { FakeContainers } from "../runtime/containers.fake.ts";
import { FakeImages } from "../runtime/images.fake.ts";
import type { ContainerState } from "../runtime/index.ts";
import type { AssignedTask } from "./assigned-task.ts";
import { containerConfigOf } from "./container-config.ts";
import type { PrepareParts, Sandboxes } from "./prepare.ts";
import { TaskRunner } from "./task-runner.ts";

/** Namespaces in memory: which tasks have one, and what goes wrong next. */
export class FakeSandboxes implements Sandboxes {
  readonly attached: Set<string> = new Set();
  failing: Fault | undefined;
  ports: readonly PortSpec[] = [];

  async attach(task: AssignedTask): ReturnType<Sandboxes["attach"]> {
    const fault = this.failing;
    this.failing = undefined;
    if (fault !== undefined) throw fault;
    this.attached.add(task.id);
    return (of, containerId, image) =>
      containerConfigOf(of, {
        ...{ containerId, image, nodeId: "n", gatewayAddress: "172.18.0.16", search: [] },
        netns: `/netns/task-${of.id}`,
      });
  }

  portsOf(): readonly PortSpec[] {
    return this.ports;
  }

  async detach(taskId: string): Promise<void> {
    this.attached.delete(taskId);
  }
}

/** A machine of fakes on which runners run, one task after the other; what they tell is kept. */
export class RunnerStage {
  readonly clock: FakeClock = new FakeClock();
  readonly images: FakeImages = new FakeImages();
  readonly containers: FakeContainers;
  readonly sandboxes: FakeSandboxes = new FakeSandboxes();
  reported: TaskStatus[] = [];
  readonly warned: string[] = [];
  /** What managers have said of secrets and configs. */
  contentsOf: PrepareParts["contentsOf"] = () => new Map();

  constructor() {
    this.images.publish("redis:3.2", { Cmd: ["serve"] });
    this.containers = new FakeContainers({ images: this.images, clock: this.clock });
  }

  run(task: AssignedTask, found?: ContainerState): TaskRunner {
    const { containers, images, sandboxes, clock } = this;
    const warn = (message: string) => void this.warned.push(message);
    const log: Log = { ...silentLog, warn, error: warn };
    const report = (_: string, status: TaskStatus) => void this.reported.push(status);
    const contentsOf: PrepareParts["contentsOf"] = (of) => this.contentsOf(of);
    const parts = { containers, images, sandboxes, clock, contentsOf, random: seededRandom(1), log, report };
    return new TaskRunner(parts, task, found);
  }

  /** Has a runner of an earlier daemon bring a task as far as it goes, and let go. */
  async earlierRun(task: AssignedTask): Promise<ContainerState> {
    const earlier = this.run(task);
    await this.clock.advance(0);
    earlier.abandon();
    await earlier.finished;
    this.reported = [];
    return this.theOnly();
  }

  states(): TaskState[] {
    return this.reported.map(({ state }) => state);
  }

  last(): TaskStatus | undefined {
    return this.reported.at(-1);
  }

  async theOnly(): Promise<ContainerState> {
    const [container] = await this.containers.list();
    if (container === undefined) throw new Error("there is no container");
    return container;
  }
}

/** A task for the stage's node, its container in these words. */
export function assigned(
  words: Partial<ContainerSpec> = {},
  desiredState: DesiredState = "running",
): AssignedTask {
  const spec = { ...aTaskSpec, container: { ...aContainer, stopGraceMs: 10_000, ...words } };
  return aTask(aService("web", { task: spec }), 1, { nodeId: "n", desiredState });
}

/** A script that FakeContainers play. */
export const sh = (script: string): string[] => ["sh", "-c", script];
