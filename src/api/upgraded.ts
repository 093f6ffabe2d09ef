import type { Duplex } from "node:stream";
import { roomIn } from "./room.ts";

/**
 * A connection that a client asks to have for itself (Upgrade: tcp). The request's body comes first, by its content-length; what follows is
 * the client's input. Either side may end its half and go on with the other.
 */
export class UpgradedConnection {
  readonly #socket: Duplex;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array | undefined;

  /** `head`: what came with the request, of the body or of the input. */
  constructor(socket: Duplex, head: Uint8Array) {
    this.#socket = socket;
    this.#rest = head.length > 0 ? head : undefined;
    // Leaving the input alone is not hanging up.
    this.#chunks = socket.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]();
  }

  /** The next so many bytes, as they come; fewer when the client ends before. */
  async *take(bytes: number): AsyncGenerator<Buffer> {
    for (let wanted = bytes; wanted > 0; ) {
      const chunk = await this.#next();
      if (chunk === undefined) return;
      const part = chunk.subarray(0, wanted);
      if (part.length < chunk.length) this.#rest = chunk.subarray(part.length);
      wanted -= part.length;
      yield Buffer.from(part);
    }
  }

  /** All that the client sends from here on; ends with its half of the connection, however that ends. */
  async *input(): AsyncGenerator<Uint8Array> {
    for (let chunk = await this.#next(); chunk !== undefined; chunk = await this.#next()) yield chunk;
  }

  /** Takes all that the client sends and keeps nothing; resolves at the end of its half. */
  async drain(): Promise<void> {
    for (let chunk = await this.#next(); chunk !== undefined; ) chunk = await this.#next();
  }

  /** Sends a copy; a promise when there is no room for more, until there is, or the connection is gone. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#socket.destroyed || this.#socket.write(Buffer.from(chunk))) return undefined;
    return roomIn(this.#socket);
  }

  async #next(): Promise<Uint8Array | undefined> {
    const { value = undefined } = this.#rest === undefined ? await this.#read() : { value: this.#rest };
    this.#rest = undefined;
    return value;
  }

  async #read(): Promise<{ value?: Uint8Array | undefined }> {
    try {
      const { value, done } = await this.#chunks.next();
      return done === true ? {} : { value };
    } catch {
      // A connection that breaks is at its end, too.
      return {};
    }
  }
}
