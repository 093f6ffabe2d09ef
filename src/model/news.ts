import type { Instant } from "../lib/index.ts";
import type { EngineEvent } from "./local.ts";
import type { Meta } from "./meta.ts";

/** One event of the swarm, without its time. */
export type SwarmEvent = Pick<EngineEvent, "type" | "action" | "actor" | "attributes">;

/**
 * What one commit is told as in `docker events`, stored in that same commit: so whoever reads the store tells each change once, in
 * order, and at the same time as everybody else, whatever was restarted meanwhile.
 */
export interface News extends Meta {
  /** Of the first event, by the writer's clock; an odd microsecond. The others follow it, each the next odd one. */
  readonly at: Instant;
  readonly events: readonly SwarmEvent[];
}

/** How many commits' news a cluster keeps for those who ask later. */
export const KEPT_NEWS: number = 1_000;

/** From one odd microsecond to the next: a node's own events have the even ones, so that no two events it tells have one time. */
export const MICROS_APART: number = 2;

/** An instant as whole microseconds: a double keeps those apart until the year 2255. */
export function microsOf(at: Instant): number {
  return Math.round(at * 1000);
}

/** The odd microsecond of something that happens now and comes after all before `end`; never a whole millisecond, which people ask for. */
export function nextMicros(now: Instant, end: number): number {
  return Math.max(Math.floor(now) * 1000 + 1, end);
}
