import { CLASSES, encodeRecords, MAX_TCP_BYTES, type Query, TYPES, writeAnswer } from "./message.ts";
import { addressesOf, namesOf, type Zone } from "./zone.ts";

/**
 * Seconds that an answer may be kept. Docker's 600 outlive a service that is removed and made anew; a task's address
 * changes faster still, and asking again costs a tenth of a millisecond.
 */
const TTL_S = 5;

/** What becomes of a query: its answer, or that somebody outside has to be asked. */
export type Outcome = { readonly kind: "answer"; readonly bytes: Buffer } | { readonly kind: "forward" };

/**
 * Answers from the zone what is the zone's. `turn` rotates the order of several addresses.
 * A known name has no records but A and AAAA, and NOERROR says so for any other type, ANY as well (RFC 8482): NXDOMAIN for AAAA would
 * make clients drop the A.
 */
export function answerQuery(query: Query, zone: Zone, turn: number, over: "udp" | "tcp"): Outcome {
  const maxBytes = over === "udp" ? query.udpBytes : MAX_TCP_BYTES;
  const answered = (
    ...[rcode, records]: [Parameters<typeof writeAnswer>[1], (readonly Buffer[])?]
  ): Outcome => ({
    kind: "answer",
    bytes: writeAnswer(query, rcode, records, maxBytes),
  });
  if (query.fault !== undefined) return answered(query.fault);
  if (query.class === CLASSES.IN || query.class === CLASSES.ANY) {
    const names = namesOf(zone, query.name);
    if (names !== undefined)
      return answered(names.length > 0 ? "ok" : "nonexistent", pointersOf(query, names));
    const type = query.type === TYPES.AAAA ? "AAAA" : "A";
    const addresses = addressesOf(zone, query.name, type);
    if (addresses !== undefined) return answered("ok", addressRecords(query, type, addresses, turn));
  }
  return zone.forwards ? { kind: "forward" } : answered("nonexistent");
}

function pointersOf({ type }: Query, names: readonly string[]): readonly Buffer[] {
  if (type !== TYPES.PTR) return [];
  return encodeRecords(names.map((data) => ({ type: "PTR", ttlS: TTL_S, data })));
}

function addressRecords(
  query: Query,
  type: "A" | "AAAA",
  addresses: readonly string[],
  turn: number,
): readonly Buffer[] {
  return query.type === TYPES[type] ? rotated(encoded(type, addresses), turn) : [];
}

/** Records of addresses, kept for as long as a zone has that very list: it is asked for again and again. */
const RECORDS = new WeakMap<readonly string[], readonly Buffer[]>();

function encoded(type: "A" | "AAAA", addresses: readonly string[]): readonly Buffer[] {
  const known = RECORDS.get(addresses);
  if (known !== undefined) return known;
  const records = encodeRecords(addresses.map((data) => ({ type, ttlS: TTL_S, data })));
  RECORDS.set(addresses, records);
  return records;
}

function rotated<T>(items: readonly T[], turn: number): readonly T[] {
  if (items.length < 2) return items;
  const first = turn % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}
