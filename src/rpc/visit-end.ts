import { Fault, messageOf } from "../lib/index.ts";
import { Inbox } from "./inbox.ts";
import type { VisitStream } from "./services.ts";

/** What is needed of grpc-js's streams: they emit wire messages and take wire messages. */
interface WireCall {
  write(message: unknown, done: () => void): boolean;
  pause(): unknown;
  resume(): unknown;
  end(): unknown;
  on(event: "data" | "end", listener: (message: unknown) => void): unknown;
}

export interface VisitEndParts<Out, In> {
  readonly call: WireCall;
  toWire(message: Out): unknown;
  /** Fault "invalid" for what must not be said; undefined for what is not known. */
  fromWire(message: unknown): In | undefined;
  /** Cuts the connection, which is this visit's own, after a moment for what was sent; at once when `now`. */
  hangUp(now: boolean): void;
}

/** One end of a visit. Unlike a session nobody is cut off for reading slowly: each end sends only what the other takes. */
export class VisitEnd<Out, In> implements VisitStream<Out, In> {
  readonly #parts: VisitEndParts<Out, In>;
  readonly #inbox: Inbox<In>;
  readonly #over = new AbortController();
  #failure: Fault | undefined;
  #closed = false;

  constructor(parts: VisitEndParts<Out, In>) {
    this.#parts = parts;
    const { call } = parts;
    this.#inbox = new Inbox<In>({ pause: () => void call.pause(), resume: () => void call.resume() });
    call.on("data", (message) => this.#take(message));
    call.on("end", () => this.#inbox.end(this.#failure));
  }

  get messages(): AsyncIterable<In> {
    return this.#inbox;
  }

  get over(): AbortSignal {
    return this.#over.signal;
  }

  send(message: Out): Promise<void> {
    const { signal } = this.#over;
    if (signal.aborted || this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener("abort", done);
        resolve();
      };
      signal.addEventListener("abort", done, { once: true });
      this.#parts.call.write(this.#parts.toWire(message), done);
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#over.signal.aborted) return;
    this.#parts.call.end();
    this.#parts.hangUp(false);
  }

  /** What the reader is told after the last message. */
  failWith(fault: Fault): void {
    this.#failure ??= fault;
  }

  /** The call has ended. The reader still gets what had arrived, then the reason. */
  ended(): void {
    this.#inbox.end(this.#failure);
    this.#over.abort(this.#failure ?? new Fault("unavailable", "the visit is over"));
  }

  #take(wire: unknown): void {
    try {
      const message = this.#parts.fromWire(wire);
      if (message !== undefined) this.#inbox.push(message);
    } catch (error) {
      this.failWith(new Fault("invalid", messageOf(error)));
      this.#parts.hangUp(true);
      this.ended();
    }
  }
}
