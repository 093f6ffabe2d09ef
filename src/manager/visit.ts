import { Fault } from "../lib/index.ts";
import type { StreamIo, TerminalSize } from "../model/index.ts";
import type { NodeWord, VisitorWord, VisitStream, VisitWish } from "../rpc/index.ts";

type WordOf<K extends NodeWord["kind"]> = Extract<NodeWord, { kind: K }>;

/** One visit to a container on another node, as its visitor has it. The node's words are checked for their order, not believed. */
export class Visit {
  readonly #stream: VisitStream<VisitorWord, NodeWord>;
  readonly #words: AsyncIterator<NodeWord>;

  constructor(stream: VisitStream<VisitorWord, NodeWord>) {
    this.#stream = stream;
    this.#words = stream.messages[Symbol.asyncIterator]();
  }

  /** What the node says next. Faults: its own when it refuses; "unavailable" when it is lost. */
  async next(): Promise<NodeWord> {
    const { value, done } = await this.#words.next();
    if (done === true) throw new Fault("unavailable", "the connection to the node is lost");
    if (value.kind === "refused") throw new Fault(value.fault.kind, value.fault.message);
    return value;
  }

  ask(taskId: string, wish: VisitWish): Promise<void> {
    return this.#stream.send({ kind: "ask", taskId, wish });
  }

  /** The one word that answers the wish; with it the visit is over. */
  async only<K extends "looked" | "processes">(kind: K, signal: AbortSignal): Promise<WordOf<K>> {
    const stay = this.#leaveWith(signal);
    try {
      return expectWord(await this.next(), kind);
    } finally {
      stay();
      this.#stream.close();
    }
  }

  /** A program's streams, from its start until it has ended or the signal aborts. */
  async follow(
    io: StreamIo,
    signal: AbortSignal,
  ): Promise<{
    readonly pid: number;
    readonly ended: Promise<number>;
    resize(size: TerminalSize): Promise<void>;
  }> {
    const stay = this.#leaveWith(signal);
    const leave = () => {
      stay();
      this.#stream.close();
    };
    try {
      const { pid } = expectWord(await this.next(), "started");
      void this.#feed(io);
      const ended = this.#show(io).finally(leave);
      // Whoever waits for it is told; nobody need.
      ended.catch(() => undefined);
      return { pid, ended, resize: (size) => this.#stream.send({ kind: "resize", size }) };
    } catch (error) {
      leave();
      throw error;
    }
  }

  async #show(io: StreamIo): Promise<number> {
    while (true) {
      const said = await this.next();
      if (said.kind === "ended") return said.exitCode;
      const { stream, data } = expectWord(said, "output");
      await io.write(stream, data);
    }
  }

  /** No faster than the program reads. */
  async #feed({ input }: StreamIo): Promise<void> {
    if (input === undefined) return;
    const stream = this.#stream;
    try {
      for await (const data of input) {
        if (stream.over.aborted) return;
        await stream.send({ kind: "input", data: Uint8Array.from(data) });
      }
    } finally {
      void stream.send({ kind: "input-end" });
    }
  }

  /** Ends the visit when the signal aborts; returns how to let that be. */
  #leaveWith(signal: AbortSignal): () => void {
    const leave = () => this.#stream.close();
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    return () => signal.removeEventListener("abort", leave);
  }
}

function expectWord<K extends NodeWord["kind"]>(said: NodeWord, kind: K): WordOf<K> {
  if (said.kind === kind) return said as WordOf<K>;
  throw new Fault("internal", `cannot follow the node: it said ${said.kind} where ${kind} was due`);
}
