import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { AgentMessageSchema, ManagerMessageSchema } from "../../../src/gen/shoal/rpc_pb.ts";
import { Fault } from "../../../src/lib/index.ts";
import { agentFromWire, agentToWire } from "../../../src/rpc/convert-agent.ts";
import { managerFromWire, managerToWire } from "../../../src/rpc/convert-manager.ts";
import { Inbox } from "../../../src/rpc/inbox.ts";
import type { AgentMessage, AgentStream, ManagerMessage, SessionStream } from "../../../src/rpc/index.ts";
import type { Pipe } from "./sim-link.ts";

const FREE = { pause() {}, resume() {} };
const LOST = "the connection was lost";

/** The two directions of one session, and what each end does with what comes out. */
export interface SessionPipes {
  readonly up: Pipe;
  readonly down: Pipe;
}

/**
 * One session between an agent and a manager. Messages pass through their bytes, in order, and take their pipe's time. A session
 * that is broken ends at both ends, at the time that each end notices.
 */
export class SimSession {
  readonly over: AbortController = new AbortController();
  readonly #pipes: SessionPipes;
  readonly #toManager = new Inbox<AgentMessage>(FREE);
  readonly #toAgent = new Inbox<ManagerMessage>(FREE);
  #agentClosed = false;
  #managerClosed = false;

  constructor(pipes: SessionPipes) {
    this.#pipes = pipes;
  }

  get isOver(): boolean {
    return this.#agentClosed && this.#managerClosed;
  }

  readonly agent: AgentStream = {
    send: (message) => {
      if (this.#agentClosed) return;
      const bytes = toBinary(AgentMessageSchema, create(AgentMessageSchema, agentToWire(message)));
      this.#pipes.up.send(() => this.#hearAgent(bytes));
    },
    messages: this.#toAgent,
    close: () => {
      if (this.#agentClosed) return;
      this.#agentClosed = true;
      this.#toAgent.abandon();
      this.#pipes.up.send(() => this.#toManager.end());
    },
  };

  readonly manager: SessionStream = {
    messages: this.#toManager,
    send: (message) => {
      if (this.#managerClosed) return;
      const bytes = toBinary(ManagerMessageSchema, create(ManagerMessageSchema, managerToWire(message)));
      this.#pipes.down.send(() => this.#hearManager(bytes));
    },
    close: (reason) => {
      this.#toManager.abandon();
      this.end(new Fault("unavailable", reason));
    },
  };

  /** The manager's side is done with it: after what it said, the agent hears so. */
  end(fault?: Fault): void {
    if (this.#managerClosed) return;
    this.#managerClosed = true;
    queueMicrotask(() => this.over.abort(new Fault("unavailable", "the session is over")));
    this.#pipes.down.send(() => {
      this.#agentClosed = true;
      this.#toAgent.end(fault);
    });
  }

  /** The agent's end notices that nothing comes through any more. */
  breakAgent(): void {
    this.#agentClosed = true;
    this.#toAgent.end(new Fault("unavailable", LOST));
  }

  breakManager(): void {
    if (this.#managerClosed) return;
    this.#managerClosed = true;
    this.#toManager.end(new Fault("unavailable", LOST));
    this.over.abort(new Fault("unavailable", LOST));
  }

  #hearAgent(bytes: Uint8Array): void {
    try {
      const heard = agentFromWire(fromBinary(AgentMessageSchema, bytes));
      if (heard !== undefined) this.#toManager.push(heard);
    } catch (error) {
      this.#toManager.end(Fault.from(error));
      this.end(Fault.from(error));
    }
  }

  #hearManager(bytes: Uint8Array): void {
    const heard = managerFromWire(fromBinary(ManagerMessageSchema, bytes));
    if (heard !== undefined) this.#toAgent.push(heard);
  }
}
