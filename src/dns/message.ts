import {
  type Answer,
  type DecodedPacket,
  decode,
  encode,
  type Packet,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from "dns-packet";

/** RCODEs in header bits (RFC 1035, 4.1.1). dns-packet sets only the rest of the flags. */
export const RCODES = { ok: 0, malformed: 1, failed: 2, nonexistent: 3, unsupported: 4, refused: 5 } as const;

/** Why there is no answer, or that there is one. */
export type Rcode = keyof typeof RCODES;

/** What a message over UDP may measure when the asker says nothing (RFC 1035, 2.3.4), and at most (DNS flag day 2020). */
const PLAIN_BYTES = 512;
const MAX_UDP_BYTES = 1232;
const HEADER_BYTES = 12;

/** A question as it came in. */
export interface Query {
  readonly packet: DecodedPacket;
  /** Bytes that an answer over UDP may have. */
  readonly udpBytes: number;
}

/** Reads a query; undefined for bytes that are none and must not even be refused (RFC 1035: answers, scraps). */
export function readQuery(bytes: Uint8Array): Query | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const packet = attempt(() => decode(Buffer.from(bytes)));
  if (packet === undefined || packet.type !== "query") return undefined;
  return { packet, udpBytes: udpBytesOf(packet) };
}

function udpBytesOf({ additionals = [] }: Packet): number {
  for (const record of additionals) {
    if (record.type !== "OPT") continue;
    return Math.min(Math.max(PLAIN_BYTES, record.udpPayloadSize), MAX_UDP_BYTES);
  }
  return PLAIN_BYTES;
}

/** The message that answers a query. `answers` have the question's own spelling of the name. */
export function writeAnswer({ packet }: Query, rcode: Rcode, answers: readonly Answer[] = []): Buffer {
  const asked = (packet.additionals ?? []).some((record) => record.type === "OPT");
  return encode({
    type: "response",
    id: packet.id ?? 0,
    flags: RCODES[rcode] | RECURSION_AVAILABLE | ((packet.flags ?? 0) & RECURSION_DESIRED),
    questions: packet.questions ?? [],
    answers: [...answers],
    additionals: asked
      ? [
          {
            type: "OPT",
            name: ".",
            udpPayloadSize: MAX_UDP_BYTES,
            flags: 0,
            options: [],
          } as unknown as Answer,
        ]
      : [],
  });
}

/** The answer as it fits into UDP: as it is, or without records and with the word to ask again by TCP (RFC 2181, 9). */
export function fitUdp(query: Query, answer: Buffer): Buffer {
  if (answer.length <= query.udpBytes) return answer;
  const short = writeAnswer(query, "ok");
  short.writeUInt16BE(short.readUInt16BE(2) | TRUNCATED_RESPONSE, 2);
  return short;
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
