import type { StreamIo } from "../model/index.ts";
import type { NodeWord, VisitorWord, VisitStream } from "../rpc/index.ts";
import type { Containers } from "../runtime/index.ts";
import { Handoff } from "./handoff.ts";

type Program = Awaited<ReturnType<Containers["streams"]["open"]>>;

/** The streams of a program that a visitor looks at. The visitor hears that it runs before anything of what it writes. */
export class ShownProgram implements StreamIo {
  readonly input?: Handoff<Uint8Array>;
  readonly #stream: VisitStream<NodeWord, VisitorWord>;
  readonly #begun: Promise<void>;
  #begin: () => void = () => {};

  constructor(stream: VisitStream<NodeWord, VisitorWord>, hasInput: boolean) {
    this.#stream = stream;
    if (hasInput) this.input = new Handoff();
    this.#begun = new Promise((resolve) => {
      this.#begin = resolve;
    });
  }

  async write(stream: "stdout" | "stderr", chunk: Uint8Array): Promise<void> {
    const data = Uint8Array.from(chunk);
    await this.#begun;
    await this.#stream.send({ kind: "output", stream, data });
  }

  /** It runs: from now on it is shown, and what the visitor types comes to it. */
  begin(program: Program, words: AsyncIterator<VisitorWord>): void {
    void this.#stream.send({ kind: "started", pid: program.pid });
    this.#begin();
    void this.#listen(program, words);
  }

  /** Until the visit is over, for whatever reason: that is seen elsewhere. */
  async #listen(program: Program, words: AsyncIterator<VisitorWord>): Promise<void> {
    const { input } = this;
    const { over } = this.#stream;
    try {
      for (let said = await words.next(); said.done !== true; said = await words.next()) {
        const word = said.value;
        if (word.kind === "input") await input?.put(word.data, over);
        else if (word.kind === "input-end") input?.end();
        else if (word.kind === "resize") void program.resize(word.size).catch(() => undefined);
      }
    } catch {
      // The connection is lost.
    }
    input?.end();
  }
}
