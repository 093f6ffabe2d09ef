import type { Clock } from "../../../src/lib/index.ts";
import type { Chance } from "./chance.ts";
import type { SimManager } from "./sim-manager.ts";

/** A dead leader is replaced after its lease has run out (etcd/leadership.ts), and what the others take to notice. */
const TTL_MS = 3_000;
const NOTICE_MS = 500;

/** The office of leader: one manager at a time holds it, as long as its lease lasts. */
export class SimOffice {
  readonly #clock: Clock;
  readonly #chance: Chance;
  readonly #managers: readonly SimManager[];
  readonly #onLeader: (name: string | undefined) => void;
  #leader: SimManager | undefined;
  #isVoting = false;
  /** The store is away: nobody can hold a lease. */
  #isClosed = false;

  constructor(parts: {
    readonly clock: Clock;
    readonly chance: Chance;
    readonly managers: readonly SimManager[];
    onLeader(name: string | undefined): void;
  }) {
    this.#clock = parts.clock;
    this.#chance = parts.chance;
    this.#managers = parts.managers;
    this.#onLeader = (name) => parts.onLeader(name);
  }

  get leader(): SimManager | undefined {
    return this.#leader;
  }

  /** Gives the office to a manager; the one that held it loses it. */
  async give(next: SimManager): Promise<void> {
    if (this.#leader === next || !next.canLead || this.#isClosed || this.#isVoting) return;
    const before = this.#leader;
    this.#leader = undefined;
    this.#isVoting = true;
    if (before !== undefined) await this.#letGo(before);
    this.#isVoting = false;
    this.#install(next);
  }

  /** The leader has lost its lease, or its life: another is found when the lease has run out. */
  async vacate(): Promise<void> {
    const before = this.#leader;
    if (before === undefined) return;
    this.#leader = undefined;
    this.#onLeader(undefined);
    if (before.isUp) void before.resign();
    this.elect(TTL_MS + this.#chance.int(NOTICE_MS));
  }

  /** The store is away for longer than a lease lasts. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.vacate();
  }

  open(): void {
    this.#isClosed = false;
    this.elect(this.#chance.int(NOTICE_MS));
  }

  /** One of the managers that can is found, when there is no leader then; tried again until there is. */
  elect(afterMs: number): void {
    if (this.#isVoting || this.#isClosed) return;
    this.#isVoting = true;
    this.#clock.after(afterMs, () => {
      this.#isVoting = false;
      if (this.#leader !== undefined || this.#isClosed) return;
      const able = this.#managers.filter((each) => each.canLead);
      if (able.length === 0) this.elect(NOTICE_MS);
      else this.#install(this.#chance.pick(able));
    });
  }

  #install(next: SimManager): void {
    if (this.#leader !== undefined) return;
    if (!next.canLead || this.#isClosed) {
      this.elect(NOTICE_MS);
      return;
    }
    this.#leader = next;
    this.#onLeader(next.name);
    next.lead();
  }

  /** Nobody else is let in before the old leader has let go, or its lease has run out. */
  #letGo(before: SimManager): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(TTL_MS, resolve);
      void before.resign().then(() => {
        timer.cancel();
        this.#clock.after(1, resolve);
      });
    });
  }
}
