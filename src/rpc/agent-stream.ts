import { create } from "@bufbuild/protobuf";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import {
  AgentMessageSchema,
  type AgentMessage as WireAgentMessage,
  type ManagerMessage as WireManagerMessage,
} from "../gen/shoal/rpc_pb.ts";
import { type Clock, Fault } from "../lib/index.ts";
import { agentToWire } from "./convert-agent.ts";
import { managerFromWire } from "./convert-manager.ts";
import type { AgentMessage, ManagerMessage } from "./messages.ts";
import { PeerStream } from "./peer-stream.ts";
import type { AgentStream } from "./services.ts";
import { weighAgent } from "./weigh.ts";

type Call = ClientDuplexStream<WireAgentMessage, WireManagerMessage>;

/** How long a manager may take to see the end of a session. */
const CLOSE_MS = 2_000;

/** An agent's end of a session, on a gRPC call. */
export class CalledSession implements AgentStream {
  readonly #call: Call;
  readonly #stream: PeerStream<AgentMessage, ManagerMessage>;
  readonly #clock: Clock;
  readonly #over = new AbortController();
  #closed = false;

  /** `faultOf` puts what grpc-js throws into words. */
  constructor(call: Call, parts: { readonly clock: Clock; readonly faultOf: (error: unknown) => Fault }) {
    this.#call = call;
    this.#clock = parts.clock;
    this.#stream = new PeerStream<AgentMessage, ManagerMessage>({
      call,
      toWire: (message) => create(AgentMessageSchema, agentToWire(message)),
      fromWire: (message) => managerFromWire(message as WireManagerMessage),
      weigh: weighAgent,
      breakOff: () => call.cancel(),
      clock: parts.clock,
    });
    // An error comes before the last messages have been read; "end" comes after them.
    call.on("error", (error) => this.#stream.failWith(parts.faultOf(error)));
    call.on("status", () => {
      this.#stream.deaf();
      this.#over.abort(new Fault("unavailable", "the session is over"));
    });
  }

  /** Aborts when the call has ended, either way. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  get messages(): AsyncIterable<ManagerMessage> {
    return this.#stream.messages;
  }

  send(message: AgentMessage): void {
    this.#stream.send(message);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream.closeOut();
    this.#stream.closeIn();
    this.#call.end();
    if (this.over.aborted) return;
    const timer = this.#clock.after(CLOSE_MS, () => this.#call.cancel());
    this.over.addEventListener("abort", () => timer.cancel(), { once: true });
  }
}
