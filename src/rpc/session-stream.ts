import { create } from "@bufbuild/protobuf";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import {
  ManagerMessageSchema,
  type AgentMessage as WireAgentMessage,
  type ManagerMessage as WireManagerMessage,
} from "../gen/shoal/rpc_pb.ts";
import { statusOf } from "../grpc/index.ts";
import { type Clock, Fault } from "../lib/index.ts";
import { agentFromWire } from "./convert-agent.ts";
import { managerToWire } from "./convert-manager.ts";
import type { AgentMessage, ManagerMessage } from "./messages.ts";
import { PeerStream } from "./peer-stream.ts";
import type { SessionStream } from "./services.ts";
import { weighManager } from "./weigh.ts";

type Call = ServerDuplexStream<WireAgentMessage, WireManagerMessage>;

/** How long an agent may take to read the end of its session. */
const CLOSE_MS = 5_000;

/** A manager's end of a session, on a gRPC call. */
export class ServedSession implements SessionStream {
  readonly #call: Call;
  readonly #stream: PeerStream<ManagerMessage, AgentMessage>;
  readonly #clock: Clock;
  readonly #disconnect: () => void;
  readonly #over = new AbortController();
  #ended = false;

  /** `disconnect` cuts the connection that the call came on. */
  constructor(call: Call, parts: { readonly clock: Clock; readonly disconnect: () => void }) {
    this.#call = call;
    this.#clock = parts.clock;
    this.#disconnect = parts.disconnect;
    this.#stream = new PeerStream<ManagerMessage, AgentMessage>({
      call,
      toWire: (message) => create(ManagerMessageSchema, managerToWire(message)),
      fromWire: (message) => agentFromWire(message as WireAgentMessage),
      weigh: weighManager,
      breakOff: (fault) => this.end(fault),
      clock: parts.clock,
    });
    call.on("cancelled", () => this.#stream.over());
    call.on("close", () => {
      this.#stream.over();
      this.#over.abort(new Fault("unavailable", "the session is over"));
    });
  }

  /** Aborts when the call has ended, either way. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  get messages(): AsyncIterable<AgentMessage> {
    return this.#stream.messages;
  }

  send(message: ManagerMessage): void {
    this.#stream.send(message);
  }

  close(reason: string): void {
    this.#stream.closeIn();
    this.end(new Fault("unavailable", reason));
  }

  /** Ends the call after what was sent has gone out: well, or with the fault. An agent that does not read is cut off. */
  end(fault?: Fault): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stream.closeOut();
    if (fault === undefined) this.#call.end();
    else this.#call.emit("error", statusOf(fault));
    const timer = this.#clock.after(CLOSE_MS, this.#disconnect);
    this.#over.signal.addEventListener("abort", () => timer.cancel(), { once: true });
    if (this.#over.signal.aborted) timer.cancel();
  }
}
