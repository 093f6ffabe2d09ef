import { type Clock, type Log, messageOf } from "../../../src/lib/index.ts";
import { Manager, type planScope } from "../../../src/manager/index.ts";
import { openSeal, Store } from "../../../src/store/index.ts";
import type { Chance } from "./chance.ts";
import type { Server } from "./sim-network.ts";
import { SimProcess } from "./sim-process.ts";
import { delayOf, ManagerBackend, type SharedStore } from "./sim-store.ts";

export interface ManagerHostParts {
  readonly name: string;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly shared: SharedStore;
  readonly log: Log;
  /** Milliseconds to the store, one way: at least, and what is added by chance. */
  readonly storeDelay: { readonly least: number; readonly spread: number };
  readonly plan?: typeof planScope;
  onBroken(what: string): void;
}

/** A manager's machine: a process with its own view of the store, which leads when it is let. */
export class SimManager implements Server {
  readonly name: string;
  /** How far its clock is ahead, in milliseconds. */
  ahead = 0;
  readonly #parts: ManagerHostParts;
  #process: SimProcess;
  #backend: ManagerBackend | undefined;
  #manager: Manager | undefined;
  #leading: AbortController | undefined;
  #term: Promise<void> = Promise.resolve();
  #isServing = false;

  constructor(parts: ManagerHostParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.#process = this.#newProcess();
    this.#process.kill();
  }

  get process(): SimProcess {
    return this.#process;
  }

  get isUp(): boolean {
    return !this.#process.isDead;
  }

  get isOpen(): boolean {
    return this.#leading !== undefined;
  }

  /** Its process has opened the store. */
  get isReady(): boolean {
    return this.isUp && this.#manager !== undefined;
  }

  /** It can be elected: its last term is over. */
  get canLead(): boolean {
    return this.isReady && !this.#isServing && !this.#process.isPaused;
  }

  get dispatcher(): Manager["dispatcher"] {
    return this.manager.dispatcher;
  }

  get manager(): Manager {
    if (this.#manager === undefined) throw new Error(`${this.name} is not ready`);
    return this.#manager;
  }

  get backend(): ManagerBackend {
    if (this.#backend === undefined) throw new Error(`${this.name} is not ready`);
    return this.#backend;
  }

  /** Starts its process; resolves when it has read the store. */
  async start(): Promise<void> {
    if (this.isUp) return;
    const { clock: world, chance, shared, log, storeDelay, plan, name } = this.#parts;
    const process = this.#newProcess();
    this.#process = process;
    this.#manager = undefined;
    const { clock } = process;
    const fork = chance.fork(`${name} ${world.now()}`);
    const delay = delayOf(fork.fork("store"), storeDelay.least, storeDelay.spread);
    this.#backend = new ManagerBackend(shared, clock, delay);
    const store = await Store.open({ backend: this.#backend, seal: openSeal, clock, log });
    if (process.isDead) return;
    this.#manager = new Manager({
      store,
      clock,
      log,
      random: fork.random(),
      ...(plan !== undefined && { plan }),
    });
    void store.run(new AbortController().signal).then(
      () => this.#broken(process, "its store ended"),
      (error: unknown) => this.#broken(process, `its store failed: ${messageOf(error)}`),
    );
  }

  kill(): void {
    this.#process.kill();
    this.#backend?.close();
    this.#leading = undefined;
    this.#isServing = false;
  }

  pause(): void {
    this.#process.pause();
  }

  resume(): void {
    this.#process.resume();
  }

  /** It has won the election: leads until `resign`, or its death. */
  lead(): void {
    const { process, manager } = this;
    const leading = new AbortController();
    this.#leading = leading;
    this.#isServing = true;
    process.run(() => {
      this.#term = manager.run(leading.signal).then(
        () => this.#served(process, leading.signal.aborted ? undefined : "its term ended by itself"),
        (error: unknown) => this.#served(process, `its term failed: ${messageOf(error)}`),
      );
    });
  }

  /** Its lease is lost; resolves when it has let go of everything, which a paused one does not before it goes on. */
  resign(): Promise<void> {
    const leading = this.#leading;
    if (leading === undefined) return Promise.resolve();
    this.#leading = undefined;
    this.#process.run(() => leading.abort(new Error("the lease is lost")));
    return this.#term;
  }

  #newProcess(): SimProcess {
    return new SimProcess(this.#parts.clock, () => this.ahead);
  }

  #served(process: SimProcess, what: string | undefined): void {
    if (process !== this.#process) return;
    this.#isServing = false;
    if (what !== undefined) this.#broken(process, what);
  }

  #broken(process: SimProcess, what: string): void {
    if (!process.isDead) this.#parts.onBroken(`manager ${this.name}: ${what}`);
  }
}
