/** Docker's copier cuts lines longer than this (moby daemon/logger/copier.go, defaultBufSize). */
export const MAX_PIECE_BYTES: number = 16 * 1024;

const NEWLINE = 10;

/** Output cut into what makes an entry each, newline included, and the unfinished line at the end. */
export interface CutOutput {
  readonly pieces: readonly Buffer[];
  readonly rest: Buffer;
}

/**
 * Cuts output into lines, and lines that are too long into pieces that end between characters. Depends on the bytes alone,
 * not on how they came: cutting `rest` with the next bytes behind it goes on as if all had come at once.
 */
export function cutLines(bytes: Buffer): CutOutput {
  const pieces: Buffer[] = [];
  let start = 0;
  for (;;) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline === -1 ? bytes.length : newline + 1;
    while (end - start > MAX_PIECE_BYTES || (newline === -1 && end - start === MAX_PIECE_BYTES)) {
      const cut = characterEnd(bytes, start, start + MAX_PIECE_BYTES);
      pieces.push(bytes.subarray(start, cut));
      start = cut;
    }
    if (newline === -1) return { pieces, rest: bytes.subarray(start) };
    pieces.push(bytes.subarray(start, end));
    start = end;
  }
}

/** The last place in (start, end] that is not inside a UTF-8 character (RFC 3629); `end` where there is none near. */
function characterEnd(bytes: Buffer, start: number, end: number): number {
  for (let at = end - 1; at >= Math.max(start + 1, end - 3); at--) {
    const byte = bytes[at] ?? 0;
    if (byte < 0x80) return end;
    if (byte >= 0xc0) return at + sequenceLength(byte) > end ? at : end;
  }
  return end;
}

function sequenceLength(lead: number): number {
  if (lead >= 0xf0) return 4;
  return lead >= 0xe0 ? 3 : 2;
}
