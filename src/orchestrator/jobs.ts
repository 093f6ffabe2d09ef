import { type Decision, isTerminal, type Plan, type Service, type Task } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { mayRestart } from "./backoff.ts";
import { dismiss } from "./enforcer.ts";
import { forget } from "./forget.ts";
import { groundsOf } from "./grounds.ts";
import { letGo, mend } from "./mend.ts";
import { pause, settle, slotsOn, vacate } from "./places.ts";
import { type Slot, slotsOf } from "./slots.ts";
import { planOf, type Tending } from "./tend.ts";

/** A slot with the tasks of the job's present iteration; `past`: those of earlier ones. */
interface Round extends Slot {
  readonly past: readonly Task[];
}

/**
 * What must change so that each slot from 0 on completes once, at most `maxConcurrent` at a time (swarmkit
 * orchestrator/jobs/replicated). A slot that failed for good stays so: the job cannot complete, the other slots can.
 */
export function planReplicatedJob(view: View, service: Service, decision: Decision): Plan {
  const rounds = roundsOf(view, service);
  const { maxConcurrent, totalCompletions } = numbersOf(service);
  const inside = rounds.filter((round) => round.number < totalCompletions);
  const beyond = rounds.filter((round) => round.number >= totalCompletions);
  const flying = inside.filter((round) => round.wanted.length > 0 && !isComplete(round));
  const byNumber = new Map(inside.map((round) => [round.number, round]));
  const added: Task[] = [];
  for (let number = 0; number < totalCompletions; number++) {
    if (flying.length + added.length >= maxConcurrent) break;
    const round = byNumber.get(number);
    if (isTaken(round)) continue;
    added.push(
      settle(view, service, { number }, [...(round?.tasks ?? []), ...(round?.past ?? [])], decision),
    );
  }
  return planOf(
    service,
    { tasks: beyond.flatMap((round) => forget([...round.tasks, ...round.past])) },
    { tasks: inside.flatMap(endPast) },
    goOn(view, service, inside, decision),
    { tasks: added },
  );
}

function numbersOf({ spec: { mode } }: Service): { maxConcurrent: number; totalCompletions: number } {
  return mode.kind === "replicated-job" ? mode : { maxConcurrent: 0, totalCompletions: 0 };
}

/** What must change so that each node that the job is for completes it once; new nodes too (Swarm leaves them out). */
export function planGlobalJob(view: View, service: Service, decision: Decision): Plan {
  const rounds = roundsOf(view, service);
  const { open, paused } = groundsOf(view, service);
  const here = slotsOn(rounds, open);
  const kept = slotsOn(rounds, paused);
  const left = rounds.filter((round) => !here.includes(round) && !kept.includes(round));
  const waiting = kept.filter((round) => !isComplete(round));
  const told = [
    ...left.flatMap((round) => vacate(view, round)),
    ...waiting.flatMap((round) => pause(view, round)),
  ];
  const byNode = new Map(here.map((round) => [round.key, round]));
  const added = open
    .filter(({ id }) => !isTaken(byNode.get(id)))
    .map(({ id }) => {
      const round = byNode.get(id);
      const before = [...(round?.tasks ?? []), ...(round?.past ?? [])];
      return settle(view, service, { number: 0, nodeId: id }, before, decision);
    });
  return planOf(
    service,
    { tasks: rounds.flatMap((round) => (isHomeless(view, round) ? forget(round.past) : endPast(round))) },
    { tasks: told },
    letGo(view, waiting, told, decision.now),
    goOn(view, service, here, decision),
    { tasks: added },
  );
}

function roundsOf(view: View, service: Service): Round[] {
  const now = service.job?.iteration ?? 0;
  const isNow = (task: Task) => (task.jobIteration ?? 0) === now;
  return slotsOf(view.tasksByService(service.id)).map((slot) => ({
    ...slot,
    tasks: slot.tasks.filter(isNow),
    wanted: slot.wanted.filter(isNow),
    past: slot.tasks.filter((task) => !isNow(task)),
  }));
}

function isHomeless(view: View, round: Round): boolean {
  return view.get("node", round.key) === undefined;
}

function isComplete({ tasks }: Slot): boolean {
  return tasks.some((task) => task.status.state === "complete");
}

/** Nothing is to be begun here: a task is at it, or it is done, or it failed for good. */
function isTaken(round: Round | undefined): boolean {
  const last = round?.tasks[0];
  if (round === undefined || last === undefined) return false;
  if (round.wanted.length > 0 || isComplete(round)) return true;
  return last.desiredState !== "remove" && !mayRestart(last);
}

/** A new iteration ends what still runs of the old ones; what has ended is history. */
function endPast({ past }: Round): Task[] {
  return forget(past.filter((task) => !isTerminal(task)));
}

/** Rounds under way: failed tasks followed, waiting ones let go; beside a completed task nothing is to run. */
function goOn(view: View, service: Service, rounds: readonly Round[], decision: Decision): Tending {
  const open = rounds.filter((round) => !isComplete(round));
  const mended = mend(view, service, open, decision);
  const waiting = letGo(view, open, mended.tasks, decision.now);
  const late = rounds
    .filter(isComplete)
    .flatMap((round) => round.wanted.filter((task) => task.status.state !== "complete"))
    .map((task) => dismiss(view, task));
  return { ...waiting, tasks: [...mended.tasks, ...waiting.tasks, ...late] };
}
