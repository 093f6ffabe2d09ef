/** What a message asks, of which its answer is made. */
export interface Asked {
  readonly name: string;
  /** Where the only question ends; undefined when there is not exactly one that can be repeated. */
  readonly end: number | undefined;
  /** The size that the asker's EDNS record says, if it has one (RFC 6891). */
  readonly ednsBytes: number | undefined;
}

const HEADER_BYTES = 12;
const MAX_LABEL = 63;
/** Of a name with its lengths and the final zero (RFC 1035, 2.3.4). */
const MAX_NAME_BYTES = 255;
const OPT = 41;
const OPT_BYTES = 11;
/** One question and no record but, where it says so, one more. */
const COUNTS = 0x0001_0000;

/**
 * Reads what nearly every resolver sends: one question whose name is of letters, digits, "-" and "_", and nothing behind it but an empty
 * EDNS record. Undefined for any other message, good or bad: that is for a reader who knows them all, and who would read this one alike.
 */
export function readPlain(message: Buffer): Asked | undefined {
  if (message.length < HEADER_BYTES + 5 || message.readUInt32BE(4) !== COUNTS) return undefined;
  const records = message.readUInt32BE(8);
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = message[at]; length !== 0; length = message[at]) {
    if (length === undefined || length > MAX_LABEL) return undefined;
    if (!isPlain(message, at + 1, at + 1 + length)) return undefined;
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const end = at + 5;
  if (labels.length === 0 || at + 1 - HEADER_BYTES > MAX_NAME_BYTES) return undefined;
  const name = labels.join(".");
  if (records === 0) return message.length === end ? { name, end, ednsBytes: undefined } : undefined;
  if (records !== 1 || message.length !== end + OPT_BYTES) return undefined;
  const isEmptyOpt =
    message[end] === 0 && message.readUInt16BE(end + 1) === OPT && message.readUInt16BE(end + 9) === 0;
  return isEmptyOpt ? { name, end, ednsBytes: message.readUInt16BE(end + 3) } : undefined;
}

/** Whether these bytes are there and mean themselves, in any encoding. */
function isPlain(message: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) {
    const byte = message[at] ?? 0;
    const isLetter = (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x41 && byte <= 0x5a);
    if (!isLetter && (byte < 0x30 || byte > 0x39) && byte !== 0x2d && byte !== 0x5f) return false;
  }
  return true;
}
