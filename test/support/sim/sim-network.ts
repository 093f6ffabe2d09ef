import { type Clock, Fault } from "../../../src/lib/index.ts";
import type {
  AgentStream,
  BeatLine,
  DispatcherService,
  PeerAddress,
  PeerIdentity,
} from "../../../src/rpc/index.ts";
import type { Chance } from "./chance.ts";
import { Lane, Pipe } from "./sim-link.ts";
import type { SimProcess } from "./sim-process.ts";
import { SimSession } from "./sim-session.ts";

/** A manager as the network sees it: its process, and what serves there while it does. */
export interface Server {
  readonly process: SimProcess;
  readonly dispatcher: DispatcherService;
  /** It leads, and so takes sessions. */
  readonly isOpen: boolean;
}

/** An agent's end of the network. */
export interface Caller {
  readonly process: SimProcess;
  readonly peer: PeerIdentity & PeerAddress;
}

interface Held {
  readonly session: SimSession;
  readonly up: Pipe;
  readonly down: Pipe;
  readonly caller: Caller;
  readonly server: Server;
  readonly link: Link;
}

interface Link {
  readonly up: Lane;
  readonly down: Lane;
}

/** Who hears nothing for so long takes the connection for lost (rpc/keepalive.ts: 4 s and 4 s). */
const SILENCE_MS = { least: 4_000, most: 8_000 } as const;
/** How long somebody who connects or asks waits for an answer (rpc: 5 s). */
const CALL_MS = 5_000;

/** The network between agents and managers: delays, cut links, lost messages. */
export class SimNetwork {
  readonly #clock: Clock;
  readonly #chance: Chance;
  readonly #serverAt: (address: string) => Server | undefined;
  readonly #links = new Map<string, Link>();
  readonly #sessions = new Set<Held>();
  /** Milliseconds one way: at least, and what is added by chance. */
  latency: { least: number; spread: number } = { least: 1, spread: 0 };

  constructor(parts: {
    readonly clock: Clock;
    readonly chance: Chance;
    /** The manager at an address now. */
    serverAt(address: string): Server | undefined;
  }) {
    this.#clock = parts.clock;
    this.#chance = parts.chance;
    this.#serverAt = (address) => parts.serverAt(address);
  }

  /** Opens a session from an agent with the manager at the address. */
  async connect(caller: Caller, address: string, signal: AbortSignal): Promise<AgentStream> {
    signal.throwIfAborted();
    const opened = await this.#call(caller, address, (server) => {
      if (server.isOpen) return this.#open(caller, server, address);
      throw new Fault("unavailable", `cannot reach manager at ${address}: it does not lead`);
    });
    if (signal.aborted) opened.agent.close();
    signal.throwIfAborted();
    signal.addEventListener("abort", () => opened.agent.close(), { once: true });
    return opened.agent;
  }

  beatLine(caller: Caller, address: string): BeatLine {
    return {
      beat: (sessionId) =>
        this.#call(caller, address, ({ dispatcher }) => dispatcher.beat(caller.peer, sessionId)),
      close: () => undefined,
    };
  }

  link(node: string, manager: string): Link {
    const name = `${node}-${manager}`;
    const known = this.#links.get(name);
    if (known !== undefined) return known;
    const link = { up: new Lane(), down: new Lane() };
    this.#links.set(name, link);
    return link;
  }

  /** Cuts a link, one way or both. Sessions over it break when their ends notice. */
  cut(node: string, manager: string, ways: readonly ("up" | "down")[]): void {
    const link = this.link(node, manager);
    for (const way of ways) link[way].cut();
    const isStill = () => link.up.isCut || link.down.isCut;
    for (const held of this.#sessions) if (held.link === link) this.#breakUnless(held, () => !isStill());
  }

  heal(node: string, manager: string): void {
    const link = this.link(node, manager);
    link.up.heal();
    link.down.heal();
  }

  healAll(): void {
    for (const link of this.#links.values()) {
      link.up.heal();
      link.down.heal();
    }
  }

  /** A message of each of the node's sessions is lost: nothing more comes through, and both ends notice. */
  lose(nodeId: string): void {
    for (const held of this.#sessions) if (held.caller.peer.nodeId === nodeId) this.#sever(held);
  }

  /** A process stands still: who talks to it takes it for dead after a while. */
  paused(process: SimProcess): void {
    for (const held of this.#sessions) {
      if (held.caller.process === process || held.server.process === process)
        this.#breakUnless(held, () => !process.isPaused);
    }
  }

  /** A process is dead: its connections end, at once when its host lives on. */
  died(process: SimProcess, hostLives: boolean): void {
    for (const held of this.#sessions) {
      if (held.caller.process !== process && held.server.process !== process) continue;
      if (hostLives) this.#sever(held, this.#delay());
      else this.#sever(held);
    }
  }

  /** In the manager's own time. */
  #open(caller: Caller, server: Server, address: string): SimSession {
    const link = this.link(caller.peer.nodeId, address);
    const [clock, delay] = [this.#clock, () => this.#delay()];
    const up = new Pipe({ clock, delay, lane: link.up, to: server.process });
    const down = new Pipe({ clock, delay, lane: link.down, to: caller.process });
    const session = new SimSession({ up, down });
    const held = { session, up, down, caller, server, link };
    this.#sessions.add(held);
    session.over.signal.addEventListener("abort", () => this.#sessions.delete(held), { once: true });
    server.dispatcher.session(caller.peer, session.manager, session.over.signal).then(
      () => session.end(),
      (error: unknown) => session.end(Fault.from(error)),
    );
    if (link.down.isCut) this.#breakUnless(held, () => !link.down.isCut);
    return session;
  }

  /** Asks the manager at an address: `serve` runs there. Its answer, or a fault "unavailable" when none comes. */
  #call<T>(caller: Caller, address: string, serve: (server: Server) => T): Promise<T> {
    const link = this.link(caller.peer.nodeId, address);
    return new Promise((resolve, reject) => {
      const away = () => reject(new Fault("unavailable", `cannot reach manager at ${address}: no answer`));
      const timer = caller.process.clock.after(CALL_MS, away);
      const settle = (how: () => void) => {
        const hear = () =>
          caller.process.run(() => {
            timer.cancel();
            how();
          });
        this.#clock.after(this.#delay(), () => link.down.pass(hear));
      };
      const ask = (server: Server) => {
        try {
          const answer = serve(server);
          settle(() => resolve(answer));
        } catch (error) {
          settle(() => reject(Fault.from(error)));
        }
      };
      this.#clock.after(this.#delay(), () =>
        link.up.pass(() => {
          const server = this.#serverAt(address);
          server?.process.run(() => ask(server));
        }),
      );
    });
  }

  #breakUnless(held: Held, isWell: () => boolean): void {
    this.#clock.after(this.#silence(), () => {
      if (!isWell()) this.#sever(held, 0);
    });
  }

  /** Ends a session without a word, at both ends; each notices after `ms`, by its own keepalive when that is not said. */
  #sever(held: Held, ms?: number): void {
    const { session, up, down, caller, server } = held;
    this.#sessions.delete(held);
    up.break();
    down.break();
    this.#clock.after(ms ?? this.#silence(), () => caller.process.run(() => session.breakAgent()));
    this.#clock.after(ms ?? this.#silence(), () => server.process.run(() => session.breakManager()));
  }

  #delay(): number {
    const { least, spread } = this.latency;
    return spread === 0 ? least : least + Math.round(this.#chance.wait(spread));
  }

  #silence(): number {
    return Math.round(this.#chance.between(SILENCE_MS.least, SILENCE_MS.most));
  }
}
