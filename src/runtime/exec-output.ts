/** moby daemon/health.go maxOutputLen. */
const MOST_BYTES = 4096;
const CUT = "...";

/** What a program wrote, as far as it is kept. */
export class ExecOutput {
  readonly #kept: Buffer[] = [];
  #room = MOST_BYTES;
  #isCut = false;

  take(chunk: Buffer): void {
    const part = chunk.subarray(0, this.#room);
    if (part.length < chunk.length) this.#isCut = true;
    if (part.length === 0) return;
    // The reader's buffer is used again.
    this.#kept.push(Buffer.from(part));
    this.#room -= part.length;
  }

  toString(): string {
    return Buffer.concat(this.#kept).toString() + (this.#isCut ? CUT : "");
  }
}
