import { type Clock, type Instant, sleep, type Timer } from "../../../src/lib/index.ts";

type Life = "runs" | "paused" | "dead";

/**
 * A simulated operating-system process. Its code runs only when something from outside reaches it: a timer, a message, an answer.
 * All of these come through `run`, so a paused process stands still and a dead one never takes another step, whatever it was at.
 */
export class SimProcess {
  readonly clock: Clock;
  readonly #world: Clock;
  /** How far its clock is ahead of the world's, in milliseconds. */
  #ahead: () => number;
  #life: Life = "runs";
  #waiting: (() => void)[] = [];

  constructor(world: Clock, ahead: () => number = () => 0) {
    this.#world = world;
    this.#ahead = ahead;
    this.clock = {
      now: (): Instant => this.#world.now() + this.#ahead(),
      after: (ms, fn): Timer => this.#after(ms, fn),
    };
  }

  get isDead(): boolean {
    return this.#life === "dead";
  }

  get isPaused(): boolean {
    return this.#life === "paused";
  }

  /** Something reaches the process. */
  run(fn: () => void): void {
    if (this.#life === "runs") fn();
    else if (this.#life === "paused") this.#waiting.push(fn);
  }

  /** The answer to something that the process asked for. */
  enter<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      answer.then(
        (value) => this.run(() => resolve(value)),
        (error) => this.run(() => reject(error)),
      );
    });
  }

  pause(): void {
    if (this.#life === "runs") this.#life = "paused";
  }

  /** What has reached it meanwhile gets its turns now, in order. */
  resume(): void {
    if (this.#life !== "paused") return;
    this.#life = "runs";
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const fn of waiting) this.#world.after(0, () => this.run(fn));
  }

  kill(): void {
    this.#life = "dead";
    this.#waiting = [];
  }

  #after(ms: number, fn: () => void): Timer {
    let isCancelled = false;
    const timer = this.#world.after(ms, () =>
      this.run(() => {
        if (!isCancelled) fn();
      }),
    );
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }
}

type Method = (...args: unknown[]) => unknown;

/**
 * A part of another process, or of the machine, as `caller` sees it: calls take `delay` milliseconds of `owner`'s life to be
 * heard, and answers reach the caller as everything else does.
 */
export function across<T extends object>(
  part: T,
  caller: SimProcess,
  owner: { readonly clock: Clock },
  delay: (method: string) => number,
): T {
  return new Proxy(part, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function" || typeof name !== "string") return member;
      const method = member.bind(target) as Method;
      if (name === "subscribe" || name === "watch") return method;
      if (name === "logs")
        return (...args: unknown[]) => stream(caller, method(...args) as AsyncIterable<unknown>);
      return (...args: unknown[]) => {
        const ms = delay(name);
        // What takes many steps of the caller's own ends with it; the rest is in the owner's hands once it is asked for.
        const { clock } = name === "create" ? caller : owner;
        const answer = ms > 0 ? sleep(clock, ms).then(() => method(...args)) : method(...args);
        return answer instanceof Promise ? caller.enter(answer) : answer;
      };
    },
  });
}

async function* stream<T>(caller: SimProcess, items: AsyncIterable<T>): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  while (true) {
    const next = await caller.enter(iterator.next());
    if (next.done === true) return;
    yield next.value;
  }
}
