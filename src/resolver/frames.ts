const LENGTH_BYTES = 2;

/** Takes messages out of a TCP stream, each behind its length in two bytes (RFC 1035, 4.2.2). */
export class TcpFrames {
  #rest: Buffer = Buffer.alloc(0);

  /** The messages that are whole with this chunk. */
  take(chunk: Uint8Array): Buffer[] {
    let rest = Buffer.concat([this.#rest, chunk]);
    const frames: Buffer[] = [];
    while (rest.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + rest.readUInt16BE(0);
      if (rest.length < end) break;
      frames.push(rest.subarray(LENGTH_BYTES, end));
      rest = rest.subarray(end);
    }
    this.#rest = rest;
    return frames;
  }
}

/** A message with its length before it. */
export function withLength(message: Uint8Array): Buffer {
  const framed = Buffer.alloc(LENGTH_BYTES + message.length);
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, LENGTH_BYTES);
  return framed;
}
