import { type Clock, Fault } from "../lib/index.ts";
import { Inbox } from "./inbox.ts";
import { Outbox } from "./outbox.ts";

/** What is needed of grpc-js's streams: they emit wire messages and take wire messages. */
export interface WireStream {
  write(message: unknown, done: () => void): boolean;
  pause(): unknown;
  resume(): unknown;
  on(event: "data" | "end", listener: (message: unknown) => void): unknown;
}

export interface PeerStreamParts<Out, In> {
  readonly call: WireStream;
  toWire(message: Out): unknown;
  /** Fault "invalid" for what must not be said; undefined for what is not known. */
  fromWire(message: unknown): In | undefined;
  weigh(message: Out): number;
  /** Breaks the call; what waits is lost. */
  breakOff(fault: Fault): void;
  readonly clock: Clock;
}

/** One end of a stream of messages both ways: what the two ends of a session have in common. */
export class PeerStream<Out, In> {
  readonly #parts: PeerStreamParts<Out, In>;
  readonly #outbox: Outbox<Out>;
  readonly #inbox: Inbox<In>;
  #failure: Fault | undefined;

  constructor(parts: PeerStreamParts<Out, In>) {
    this.#parts = parts;
    const { call, weigh, clock } = parts;
    this.#outbox = new Outbox({
      write: (message, done) => {
        call.write(parts.toWire(message), () => done());
      },
      weigh,
      clock,
      onStall: (fault) => this.breakOff(fault),
    });
    this.#inbox = new Inbox<In>({ pause: () => void call.pause(), resume: () => void call.resume() });
    call.on("data", (message: unknown) => this.#take(message));
    call.on("end", () => this.#inbox.end(this.#failure));
  }

  get messages(): AsyncIterable<In> {
    return this.#inbox;
  }

  send(message: Out): void {
    this.#outbox.send(message);
  }

  /** Sends no more; what waits still goes out. */
  closeOut(): void {
    this.#outbox.close();
  }

  /** Reads no more: the reader's loop ends now. */
  closeIn(): void {
    this.#inbox.abandon();
  }

  /** What the reader is told after the last message. */
  failWith(fault: Fault): void {
    this.#failure ??= fault;
  }

  /** The other end reads no more. */
  deaf(): void {
    this.#outbox.discard();
  }

  /** The connection is gone. The reader still gets what had arrived, then the reason. */
  over(): void {
    this.#outbox.discard();
    this.#inbox.end(this.#failure);
  }

  /** Ends the call at once because of a fault of either end. */
  breakOff(fault: Fault): void {
    this.failWith(fault);
    this.#parts.breakOff(fault);
    this.over();
  }

  #take(wire: unknown): void {
    try {
      const message = this.#parts.fromWire(wire);
      if (message !== undefined) this.#inbox.push(message);
    } catch (error) {
      this.breakOff(Fault.from(error));
    }
  }
}
