import { type Clock, messageOf } from "../lib/index.ts";
import { LAST_STAGE, stageOf } from "../netstate/index.ts";
import { execute, type Round, removeLinks } from "./execute.ts";
import type { NamespaceHandle } from "./namespace-handle.ts";
import type { RoundPlan } from "./plan-round.ts";

/** How long changes may hold the thread before others get a turn. */
const SLICE_MS = 8;
/** Turns of the event loop that others get then: answering a request takes a few, and none of them should wait for a slice. */
const TURNS = 6;

/** Gives others some turns of the event loop whenever a slice is used up. */
export class Slices {
  readonly #clock: Clock;
  #since: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  async pause(): Promise<void> {
    if (this.#clock.now() - this.#since < SLICE_MS) return;
    for (let turn = 0; turn < TURNS; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    this.#since = this.#clock.now();
  }
}

/**
 * Does a plan, stage by stage through all namespaces. Links that go for good go last and all at once, because the kernel
 * waits some milliseconds per removal, however many it is of. Returns what failed, by namespace.
 */
export async function runRound(plan: RoundPlan, round: Round, clock: Clock): Promise<Map<string, string[]>> {
  const failed = new Map<string, string[]>();
  const slices = new Slices(clock);
  const queues = [...plan].flatMap(([name, operations]) => {
    const handle = round.handleOf(name);
    return handle === undefined ? [] : [{ handle, operations, next: 0 }];
  });
  for (let stage = 0; stage < LAST_STAGE; stage++) {
    for (const queue of queues) {
      for (; queue.next < queue.operations.length; queue.next++) {
        const operation = queue.operations[queue.next];
        if (operation === undefined || stageOf(operation) > stage) break;
        tryOne(queue.handle, failed, () => execute(operation, queue.handle, round));
        await slices.pause();
      }
    }
  }
  for (const { handle, operations, next } of queues) {
    const names = operations.slice(next).flatMap((last) => (last.op === "remove-link" ? [last.name] : []));
    if (names.length > 0) tryOne(handle, failed, () => removeLinks(handle, names));
    await slices.pause();
  }
  return failed;
}

/** What is left for when everything that is not wanted is gone. Adds to what failed. */
export function runRest(plan: RoundPlan, round: Round, failed: Map<string, string[]>): void {
  for (const [name, operations] of plan) {
    const handle = round.handleOf(name);
    if (handle === undefined) continue;
    const rest = operations.filter((operation) => stageOf(operation) > LAST_STAGE);
    for (const operation of rest) tryOne(handle, failed, () => execute(operation, handle, round));
  }
}

function tryOne(handle: NamespaceHandle, failed: Map<string, string[]>, work: () => void): void {
  try {
    work();
  } catch (error) {
    const errors = failed.get(handle.name) ?? [];
    failed.set(handle.name, [...errors, messageOf(error)]);
  }
}
