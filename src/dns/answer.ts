import type { Answer, Question } from "dns-packet";
import { type Query, writeAnswer } from "./message.ts";
import { plainName, reverseAddress, type Zone } from "./zone.ts";

/**
 * Seconds that an answer may be kept. Docker's 600 outlive a service that is removed and made anew; a task's address
 * changes faster still, and asking again costs a tenth of a millisecond.
 */
const TTL_S = 5;
/** All zero in an ordinary query (RFC 1035, 4.1.1). */
const OPCODE_BITS = 0x7800;

/** What becomes of a query: its answer, or that somebody outside has to be asked. */
export type Outcome = { readonly kind: "answer"; readonly bytes: Buffer } | { readonly kind: "forward" };

/**
 * Answers from the zone what is the zone's. `turn` rotates the order of several addresses.
 * A known name has no records but A (and NOERROR says so for AAAA: NXDOMAIN would make clients drop the A).
 */
export function answerQuery(query: Query, zone: Zone, turn: number): Outcome {
  const { questions = [], flags = 0 } = query.packet;
  const [question] = questions;
  if ((flags & OPCODE_BITS) !== 0) return answered(query, "unsupported");
  if (question === undefined || questions.length > 1) return answered(query, "malformed");
  const found = recordsOf(question, zone, turn);
  if (found !== undefined) return { kind: "answer", bytes: writeAnswer(query, "ok", found) };
  return zone.forwards ? { kind: "forward" } : answered(query, "nonexistent");
}

function answered(query: Query, rcode: Parameters<typeof writeAnswer>[1]): Outcome {
  return { kind: "answer", bytes: writeAnswer(query, rcode) };
}

/** The records of a name of the zone, none when it has none of that type; undefined when the zone does not know it. */
function recordsOf(
  { name, type, class: of = "IN" }: Question,
  zone: Zone,
  turn: number,
): Answer[] | undefined {
  if (of !== "IN" && of !== "ANY") return undefined;
  const asked = type as string;
  if (asked === "PTR") {
    const target = zone.reverse.get(reverseAddress(name) ?? "");
    return target === undefined ? undefined : [{ type: "PTR", name, ttl: TTL_S, data: target }];
  }
  const addresses = zone.names.get(plainName(name));
  if (addresses === undefined) return undefined;
  if (asked !== "A" && asked !== "ANY") return [];
  return rotated(addresses, turn).map((data) => ({ type: "A", name, ttl: TTL_S, data }));
}

function rotated<T>(items: readonly T[], turn: number): T[] {
  const first = items.length === 0 ? 0 : turn % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}
