import { decode, RECURSION_AVAILABLE, RECURSION_DESIRED, TRUNCATED_RESPONSE } from "dns-packet";
import { parseIpv4, parseIpv6 } from "../lib/index.ts";
import { type Asked, readPlain } from "./plain.ts";

/** RCODEs in header bits (RFC 1035, 4.1.1). */
const RCODES = { ok: 0, malformed: 1, failed: 2, nonexistent: 3, unsupported: 4, refused: 5 } as const;

/** Why there is no answer, or that there is one. */
export type Rcode = keyof typeof RCODES;

/** Numbers of record types and classes (RFC 1035, 3.2; RFC 3596). */
export const TYPES = { A: 1, PTR: 12, AAAA: 28 } as const;
export const CLASSES = { IN: 1, ANY: 255 } as const;

/** What a message over UDP may measure when the asker says nothing (RFC 1035, 2.3.4), and at most (DNS flag day 2020). */
const PLAIN_BYTES = 512;
const MAX_UDP_BYTES = 1232;
/** What a length of two bytes can say (RFC 1035, 4.2.2). */
export const MAX_TCP_BYTES = 65_535;

const HEADER_BYTES = 12;
const MAX_LABEL = 63;
const RESPONSE = 0x8000;
/** All zero in an ordinary query (RFC 1035, 4.1.1). */
const OPCODE_BITS = 0x7800;
/** A record's name: the one in the question (RFC 1035, 4.1.4). */
const SAME_NAME = 0xc000 | HEADER_BYTES;
/** RFC 6891: an empty OPT record with our size. */
const OPT: Buffer = Buffer.from([0, 0, 41, MAX_UDP_BYTES >> 8, MAX_UDP_BYTES & 0xff, 0, 0, 0, 0, 0, 0]);

const NOTHING: Buffer = Buffer.alloc(0);

/** A question as it came in. */
export interface Query {
  readonly id: number;
  readonly flags: number;
  /** The question as bytes, to be repeated; empty when there is not exactly one. */
  readonly question: Buffer;
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** The size that the asker's EDNS record says (RFC 6891); undefined when he has none, and is to get none. */
  readonly ednsBytes: number | undefined;
  /** Bytes that an answer over UDP may have. */
  readonly udpBytes: number;
  /** Why it cannot be answered. */
  readonly fault: "malformed" | "unsupported" | undefined;
}

/** A record that answers; its name is the question's. */
export type DnsRecord = { readonly type: "A" | "AAAA" | "PTR"; readonly ttlS: number; readonly data: string };

/** Reads a query; undefined for bytes that are none and must not even be refused: responses, scraps. The query keeps the bytes. */
export function readQuery(bytes: Uint8Array): Query | undefined {
  const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (message.length < HEADER_BYTES || (message.readUInt16BE(2) & RESPONSE) !== 0) return undefined;
  const asked = readPlain(message) ?? readAny(message);
  if (asked === undefined) return undefined;
  const { name, end, ednsBytes } = asked;
  const flags = message.readUInt16BE(2);
  return {
    id: message.readUInt16BE(0),
    flags,
    question: message.subarray(HEADER_BYTES, end ?? HEADER_BYTES),
    name,
    type: end === undefined ? 0 : message.readUInt16BE(end - 4),
    class: end === undefined ? 0 : message.readUInt16BE(end - 2),
    ednsBytes,
    udpBytes: Math.min(Math.max(PLAIN_BYTES, ednsBytes ?? 0), MAX_UDP_BYTES),
    fault: faultOf(flags, end),
  };
}

/** Reads any message; undefined when it is none. */
export function readAny(message: Buffer): Asked | undefined {
  const packet = attempt(() => decode(message));
  if (packet === undefined) return undefined;
  const [asked, ...more] = packet.questions ?? [];
  const opt = (packet.additionals ?? []).find((record) => record.type === "OPT");
  return {
    name: asked?.name ?? "",
    end: asked === undefined || more.length > 0 ? undefined : questionEnd(message),
    ednsBytes: opt?.udpPayloadSize,
  };
}

/**
 * The message that answers a query, with encoded records. Of those that do not fit into `maxBytes` the first stay, and the message says
 * that it is cut: who can asks again by TCP, who cannot (musl before 1.2.4) has some of them.
 */
export function writeAnswer(
  query: Query,
  rcode: Rcode,
  records: readonly Buffer[] = [],
  maxBytes: number = query.udpBytes,
): Buffer {
  const tail = query.ednsBytes === undefined ? NOTHING : OPT;
  let room = maxBytes - HEADER_BYTES - query.question.length - tail.length;
  const fitting: Buffer[] = [];
  for (const record of records) {
    if (record.length > room) break;
    fitting.push(record);
    room -= record.length;
  }
  const cut = fitting.length < records.length ? TRUNCATED_RESPONSE : 0;
  const kept = query.flags & (OPCODE_BITS | RECURSION_DESIRED);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(query.id, 0);
  header.writeUInt16BE(RESPONSE | kept | cut | RECURSION_AVAILABLE | RCODES[rcode], 2);
  header.writeUInt16BE(query.question.length > 0 ? 1 : 0, 4);
  header.writeUInt16BE(fitting.length, 6);
  header.writeUInt16BE(tail.length > 0 ? 1 : 0, 10);
  return Buffer.concat([header, query.question, ...fitting, tail]);
}

/**
 * Somebody else's answer for one who asks by UDP: as it is, if it is no longer than he takes; else only the question, marked as
 * cut, so that he asks again by TCP.
 */
export function fitAnswer(query: Query, answer: Buffer): Buffer {
  if (answer.length <= Math.max(PLAIN_BYTES, query.ednsBytes ?? 0)) return answer;
  const header = Buffer.from(answer.subarray(0, HEADER_BYTES));
  header.writeUInt16BE(header.readUInt16BE(2) | TRUNCATED_RESPONSE, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt32BE(0, 6);
  header.writeUInt16BE(query.ednsBytes === undefined ? 0 : 1, 10);
  return Buffer.concat([header, query.question, query.ednsBytes === undefined ? NOTHING : OPT]);
}

/** Where the only question ends; undefined when it is cut off or its name is compressed, which nobody has a reason to do. */
function questionEnd(message: Buffer): number | undefined {
  let at = HEADER_BYTES;
  for (let length = message[at]; length !== 0; length = message[at]) {
    if (length === undefined || length > MAX_LABEL) return undefined;
    at += length + 1;
  }
  return at + 5 <= message.length ? at + 5 : undefined;
}

function faultOf(flags: number, end: number | undefined): Query["fault"] {
  if ((flags & OPCODE_BITS) !== 0) return "unsupported";
  return end === undefined ? "malformed" : undefined;
}

/** Records as `writeAnswer` takes them. What no record can hold is left out. */
export function encodeRecords(records: readonly DnsRecord[]): Buffer[] {
  return records.map(encodeRecord).filter((record) => record !== undefined);
}

function encodeRecord({ type, ttlS, data }: DnsRecord): Buffer | undefined {
  const value = VALUES[type](data);
  if (value === undefined) return undefined;
  const head = Buffer.alloc(12);
  head.writeUInt16BE(SAME_NAME, 0);
  head.writeUInt16BE(TYPES[type], 2);
  head.writeUInt16BE(CLASSES.IN, 4);
  head.writeUInt32BE(ttlS, 6);
  head.writeUInt16BE(value.length, 10);
  return Buffer.concat([head, value]);
}

const VALUES: Readonly<Record<DnsRecord["type"], (data: string) => Buffer | undefined>> = {
  A: encodeAddress,
  AAAA: encodeAddress6,
  PTR: encodeName,
};

function encodeAddress(text: string): Buffer | undefined {
  const address = parseIpv4(text);
  if (address === undefined) return undefined;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(address);
  return bytes;
}

function encodeAddress6(text: string): Buffer | undefined {
  const address = parseIpv6(text);
  if (address === undefined) return undefined;
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64BE(address >> 64n, 0);
  bytes.writeBigUInt64BE(address & 0xffff_ffff_ffff_ffffn, 8);
  return bytes;
}

/** A name in labels (RFC 1035, 3.1); undefined when it cannot be one. */
function encodeName(name: string): Buffer | undefined {
  const labels = name.split(".").map((label) => Buffer.from(label));
  if (labels.some(({ length }) => length === 0 || length > MAX_LABEL)) return undefined;
  const parts = labels.flatMap((label) => [Buffer.from([label.length]), label]);
  const bytes = Buffer.concat([...parts, Buffer.from([0])]);
  return bytes.length <= 255 ? bytes : undefined;
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
