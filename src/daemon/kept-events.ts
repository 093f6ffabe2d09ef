import type { EngineEvent } from "../api/index.ts";
import type { Instant } from "../lib/index.ts";
import { KEPT_NEWS, microsOf } from "../model/index.ts";

/** Docker keeps the last 256 for `--since` (moby daemon/events/events.go); of the swarm's we keep what the store does. */
const KEPT: Readonly<Record<EngineEvent["scope"], number>> = { local: 256, swarm: KEPT_NEWS };

/** An event that was told, and for the swarm's which commit of which cluster it is of. */
export interface Kept {
  readonly event: EngineEvent;
  readonly of?: { readonly cluster: string; readonly version: number };
}

/** The last events, in the order in which they were told. */
export class KeptEvents {
  #all: Kept[] = [];

  constructor(loaded: readonly Kept[]) {
    this.add(loaded);
  }

  get all(): readonly Kept[] {
    return this.#all;
  }

  /** The newest of the swarm's. */
  get lastNews(): Kept | undefined {
    return this.#all.findLast(({ of }) => of !== undefined);
  }

  add(told: readonly Kept[]): void {
    this.#all.push(...told);
    for (const scope of ["local", "swarm"] as const) this.#forget(scope);
  }

  /** What happened while nobody here told it: by its time among the others, after what this node told of that millisecond. */
  addPast(told: readonly Kept[]): void {
    this.add(told);
    this.#all.sort((a, b) => placeOf(a) - placeOf(b) || a.event.at - b.event.at);
  }

  /** What was told after the event of that very time; when none has it, what happened from then on. */
  since(at: Instant): EngineEvent[] {
    const micros = microsOf(at);
    const heard = this.#all.findIndex(({ event }) => microsOf(event.at) === micros);
    const rest = heard < 0 ? this.#all.filter(({ event }) => event.at >= at) : this.#all.slice(heard + 1);
    return rest.map(({ event }) => event);
  }

  #forget(scope: EngineEvent["scope"]): void {
    const isOf = ({ event }: Kept) => event.scope === scope;
    let excess = this.#all.filter(isOf).length - KEPT[scope];
    if (excess > 0) this.#all = this.#all.filter((kept) => !(isOf(kept) && excess-- > 0));
  }
}

/** By the millisecond, the node's own first: clocks of two managers tell no more of who was first. */
function placeOf({ event: { at, scope } }: Kept): number {
  return Math.floor(at) + (scope === "local" ? 0 : 0.5);
}
