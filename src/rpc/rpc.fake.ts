import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { AgentMessageSchema, ManagerMessageSchema } from "../gen/shoal/rpc_pb.ts";
import { Fault } from "../lib/index.ts";
import { agentFromWire, agentToWire } from "./convert-agent.ts";
import { managerFromWire, managerToWire } from "./convert-manager.ts";
import { Inbox } from "./inbox.ts";
import type { AgentMessage, ManagerMessage } from "./messages.ts";
import type {
  AgentStream,
  DispatcherService,
  PeerAddress,
  PeerIdentity,
  SessionStream,
  VisitsService,
} from "./services.ts";

/** A manager that asks nobody for a visit. */
export const NO_VISITS: VisitsService = {
  visit: () => Promise.reject(new Fault("not-found", "no visit is expected here")),
};

/**
 * A session without a network: an agent's end, with its other end served by `dispatcher` at once. Messages pass through
 * their bytes, so what cannot travel does not; they arrive in order, each in a turn of its own.
 */
export function connectFake(
  dispatcher: DispatcherService,
  peer: PeerIdentity & PeerAddress,
  signal: AbortSignal = new AbortController().signal,
): AgentStream {
  const session = new FakeSession();
  signal.addEventListener("abort", () => session.agent.close(), { once: true });
  dispatcher.session(peer, session.manager, session.over.signal).then(
    () => session.end(),
    (error: unknown) => session.end(Fault.from(error)),
  );
  return session.agent;
}

const FREE = { pause() {}, resume() {} };

class FakeSession {
  readonly over: AbortController = new AbortController();
  readonly #toManager = new Inbox<AgentMessage>(FREE);
  readonly #toAgent = new Inbox<ManagerMessage>(FREE);
  #agentClosed = false;
  #managerClosed = false;

  readonly agent: AgentStream = {
    send: (message) => {
      if (!this.#agentClosed) this.#later(() => this.#hearAgent(message));
    },
    messages: this.#toAgent,
    close: () => {
      if (this.#agentClosed) return;
      this.#agentClosed = true;
      this.#toAgent.abandon();
      this.#later(() => this.#toManager.end());
    },
  };

  readonly manager: SessionStream = {
    messages: this.#toManager,
    send: (message) => {
      if (!this.#managerClosed) this.#later(() => this.#hearManager(message));
    },
    close: (reason) => {
      this.#toManager.abandon();
      this.end(new Fault("unavailable", reason));
    },
  };

  end(fault?: Fault): void {
    if (this.#managerClosed) return;
    this.#managerClosed = true;
    this.#later(() => {
      this.#toAgent.end(fault);
      this.over.abort(new Fault("unavailable", "the session is over"));
    });
  }

  #hearAgent(message: AgentMessage): void {
    const bytes = toBinary(AgentMessageSchema, create(AgentMessageSchema, agentToWire(message)));
    try {
      const heard = agentFromWire(fromBinary(AgentMessageSchema, bytes));
      if (heard !== undefined) this.#toManager.push(heard);
    } catch (error) {
      this.#toManager.end(Fault.from(error));
      this.end(Fault.from(error));
    }
  }

  #hearManager(message: ManagerMessage): void {
    const bytes = toBinary(ManagerMessageSchema, create(ManagerMessageSchema, managerToWire(message)));
    const heard = managerFromWire(fromBinary(ManagerMessageSchema, bytes));
    if (heard !== undefined) this.#toAgent.push(heard);
  }

  /** After what was sent before, and never while the sender is still speaking. */
  #later(fn: () => void): void {
    queueMicrotask(fn);
  }
}
