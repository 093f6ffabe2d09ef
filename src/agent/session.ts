import { type Clock, type Log, messageOf, type Random, randomFloat, sleep } from "../lib/index.ts";
import type { NodeDescription, TaskStatus, TunnelEnd } from "../model/index.ts";
import type { AgentMessage, AgentStream, Heart, ManagerMessage } from "../rpc/index.ts";

export interface SessionParts {
  /** Opens a session with the manager at this address. */
  connect(address: string, signal: AbortSignal): Promise<AgentStream>;
  describe(): NodeDescription;
  /** Every status worth telling a manager that knows nothing. */
  statuses(): { taskId: string; status: TaskStatus }[];
  /** A message for the agent, in order, and where it came from. */
  handle(message: ManagerMessage, from: MessageSource): void;
  /** Beats for the session, once there is one. */
  readonly heart: Heart;
  readonly advertiseAddress: string;
  readonly dataPathAddress: string;
  readonly tunnelEnd: () => TunnelEnd;
  /** All that is wished for containers made by hand. */
  readonly guests: () => AgentMessage;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Where a manager's message came from. */
export interface MessageSource {
  /** The manager's: "10.0.0.1:2377". */
  readonly address: string;
  /** Speaks to the very session that it came in. */
  answer(message: AgentMessage): void;
}

/** What a session begins with is told from then on, though no manager may have welcomed it yet. */
const TOLD_BY_ALL: ReadonlySet<AgentMessage["kind"]> = new Set(["statuses", "guests"]);
const MAX_BACKOFF_MS = 8_000;

/**
 * Keeps a session with some manager for as long as the agent lives: the next one is tried when one is lost, with
 * swarmkit's back-off (100 ms + twice the last, at most 8 s, evenly spread).
 */
export class ManagerSession {
  readonly #parts: SessionParts;
  #managers: readonly string[];
  #stream: AgentStream | undefined;
  /** A session that has been told all statuses and guests, though no manager may have welcomed it yet: later ones must follow. */
  #told: AgentStream | undefined;

  constructor(parts: SessionParts, managers: readonly string[]) {
    this.#parts = parts;
    this.#managers = managers;
  }

  get managers(): readonly string[] {
    return this.#managers;
  }

  /** Tells the manager, when there is one now; a new session hears all statuses anyway. */
  send(message: AgentMessage): void {
    (TOLD_BY_ALL.has(message.kind) ? this.#told : this.#stream)?.send(message);
  }

  /** Says anew who the node is, and so is told the whole set again. */
  introduce(): void {
    this.#told?.send(this.#hello());
  }

  #hello(): AgentMessage {
    const { advertiseAddress, dataPathAddress, describe, tunnelEnd } = this.#parts;
    const end = tunnelEnd();
    return { kind: "hello", description: describe(), advertiseAddress, dataPathAddress, tunnelEnd: end };
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#parts;
    let backoff = 0;
    for (let turn = 0; !signal.aborted; turn++) {
      const address = this.#managers[turn % Math.max(1, this.#managers.length)] ?? "";
      const started = clock.now();
      try {
        await this.#hold(address, signal);
      } catch (error) {
        if (!signal.aborted)
          log.warn("session with manager lost", { manager: address, error: messageOf(error) });
      }
      backoff = clock.now() - started > MAX_BACKOFF_MS ? 0 : Math.min(100 + 2 * backoff, MAX_BACKOFF_MS);
      await sleep(clock, backoff * randomFloat(random), signal).catch(() => undefined);
    }
  }

  async #hold(address: string, signal: AbortSignal): Promise<void> {
    const { statuses, guests, handle, connect, heart } = this.#parts;
    const over = new AbortController();
    const stream = await connect(address, AbortSignal.any([signal, over.signal]));
    try {
      stream.send(this.#hello());
      const known = statuses();
      if (known.length > 0) stream.send({ kind: "statuses", statuses: known });
      stream.send(guests());
      this.#told = stream;
      for await (const message of stream.messages) {
        if (message.kind === "welcome") {
          this.#stream = stream;
          if (message.managers.length > 0) this.#managers = message.managers;
          heart.follow({ address, sessionId: message.sessionId, periodMs: message.heartbeatPeriodMs });
        }
        handle(message, { address, answer: (said) => stream.send(said) });
        if (message.kind === "leave") return;
      }
    } finally {
      this.#stream = undefined;
      this.#told = undefined;
      heart.follow(undefined);
      over.abort(new Error("the session is over"));
      stream.close();
    }
  }
}
