import fc from "fast-check";
import { expect, test } from "vitest";
import { anyUnit } from "../lib/any-unit.fake.ts";
import { Fault } from "../lib/index.ts";
import { type DesiredState, stateRank, type TaskState, type TaskStatus } from "../model/index.ts";
import type { AssignedTask } from "./assigned-task.ts";
import { assigned, RunnerStage } from "./runner-stage.fake.ts";
import type { TaskRunner } from "./task-runner.ts";

const WANTS: readonly DesiredState[] = ["ready", "running", "complete", "shutdown", "remove"];
const HEALTH = {
  ...{ test: ["CMD", "probe"], intervalMs: 1_000, timeoutMs: 500, startPeriodMs: 0, startIntervalMs: 0 },
  retries: 2,
};

/** What may happen to a task, in any order. */
const event = fc.oneof(
  fc.record({ kind: fc.constant("want" as const), to: fc.constantFrom<DesiredState>(...WANTS) }),
  fc.record({ kind: fc.constant("exit" as const), code: fc.constantFrom(0, 1, 137), oom: fc.boolean() }),
  fc.record({
    kind: fc.constant("health" as const),
    is: fc.constantFrom("healthy" as const, "unhealthy" as const),
  }),
  fc.record({ kind: fc.constant("print" as const), line: fc.string({ unit: anyUnit, maxLength: 600 }) }),
  fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(0, 500, 20_000) }),
  fc.record({ kind: fc.constant("online" as const), is: fc.boolean() }),
  fc.record({ kind: fc.constant("restart" as const) }),
  fc.record({ kind: fc.constant("drained" as const) }),
  fc.record({
    kind: fc.constant("fault" as const),
    at: fc.constantFrom("create" as const, "start" as const, "attach" as const),
  }),
);
type Step = typeof event extends fc.Arbitrary<infer T> ? T : never;

/** One task through all its runners: what they told, in order. */
class Life {
  readonly stage = new RunnerStage();
  #task: AssignedTask;
  #runner: TaskRunner;
  #told: TaskState = "new";

  constructor(hasHealth: boolean) {
    this.#task = assigned(hasHealth ? { health: HEALTH } : {}, "ready");
    this.#runner = this.stage.run(this.#task);
  }

  async step(step: Step): Promise<void> {
    const { containers, images, sandboxes, clock } = this.stage;
    const all = await containers.list();
    const fault = new Fault("internal", "broken\nin two lines");
    if (step.kind === "want") this.#want(step.to);
    if (step.kind === "exit") for (const { id } of all) containers.exit(id, step.code, step.oom);
    if (step.kind === "health") {
      for (const { id, health, status } of all) {
        if (health !== undefined && status === "running")
          containers.setHealth(id, step.is, "\u001b[31msaid\n\n");
      }
    }
    if (step.kind === "print") for (const { id } of all) containers.print(id, step.line);
    if (step.kind === "pass") await clock.advance(step.ms);
    if (step.kind === "online") images.online = step.is;
    if (step.kind === "restart") await this.#restart();
    if (step.kind === "drained") this.#runner.drained();
    if (step.kind === "fault" && step.at === "attach") sandboxes.failing = fault;
    else if (step.kind === "fault") containers.failing[step.at as "create" | "start"] = fault;
  }

  async end(): Promise<void> {
    this.#runner.remove();
    this.stage.images.online = true;
    await this.stage.clock.advance(60_000);
    await this.#runner.finished;
    this.check();
  }

  /** What was told since the last time. */
  check(): void {
    for (const status of this.stage.reported) {
      expect(flawOf(status)).toBeUndefined();
      expect(stateRank(status.state)).toBeGreaterThanOrEqual(stateRank(this.#told));
      this.#told = status.state;
    }
    this.stage.reported = [];
  }

  #want(to: DesiredState): void {
    if (WANTS.indexOf(to) <= WANTS.indexOf(this.#task.desiredState)) return;
    this.#task = { ...this.#task, desiredState: to };
    this.#runner.update(this.#task);
  }

  async #restart(): Promise<void> {
    this.#runner.abandon();
    await this.#runner.finished;
    this.check();
    // What a restarted daemon tells may repeat, but each runner only goes forward.
    this.#told = "new";
    const [found] = await this.stage.containers.list();
    this.#runner = this.stage.run(this.#task, found);
  }
}

/** What is wrong with a report after the ones before it, if anything. */
function flawOf({ state, error, message }: TaskStatus): string | undefined {
  const isBad = state === "failed" || state === "rejected";
  if (isBad && !error) return `${state} without a reason`;
  if (state === "complete" && error !== undefined) return `${state} with ${error}`;
  const text = `${error ?? ""}${message}`;
  if ((error?.length ?? 0) > 400) return `a reason of ${error?.length} characters`;
  return /\p{Cc}/u.test(text) ? `control characters in ${JSON.stringify(text)}` : undefined;
}

test("whatever happens, states only move forward, every end has a reason, and nothing is left when the task is gone", async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(event, { maxLength: 14 }), async (hasHealth, steps) => {
      const life = new Life(hasHealth);
      for (const step of steps) {
        await life.step(step);
        life.check();
      }
      await life.end();
      expect(await life.stage.containers.list()).toEqual([]);
      expect(life.stage.sandboxes.attached.size).toBe(0);
    }),
    { numRuns: 200 },
  );
});

test("no task with a health check runs before it was healthy, unless it is done", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 14 }), async (steps) => {
      const life = new Life(true);
      let wasHealthy = false;
      const off = life.stage.containers.subscribe(({ action, container }) => {
        wasHealthy ||= action === "health_status" && container.health?.status === "healthy";
        wasHealthy ||= action === "die" && container.exitCode === 0;
      });
      await life.step({ kind: "want", to: "running" });
      for (const step of steps) {
        await life.step(step);
        if (!wasHealthy) expect(life.stage.states()).not.toContain("running");
        life.check();
      }
      await life.end();
      off();
    }),
    { numRuns: 200 },
  );
});
