import { faultOf } from "../grpc/index.ts";
import { Fault } from "../lib/index.ts";

/** Errors of the system and of TLS in words, by what is found in grpc-js's account of them. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/ECONNREFUSED/, "connection refused, nobody listens there"],
  [/EHOSTUNREACH/, "no route to that host"],
  [/ENETUNREACH/, "that network is unreachable"],
  [/ETIMEDOUT/, "no answer"],
  [/ENOTFOUND|EAI_AGAIN|Name resolution failed/, "no such host"],
  [/ECONNRESET|EPIPE|socket hang up|disconnected before secure/, "it closed the connection"],
  [
    /self-signed certificate|unable to (get|verify)|SIGNATURE_FAILURE|bad signature|signature failure/i,
    "its certificate is of another cluster",
  ],
  [/CERT_HAS_EXPIRED|certificate has expired/, "its certificate has expired"],
  [/wrong version number|EPROTO|packet length|record layer/i, "something else than a manager listens there"],
];

/** What grpc-js says when there is no connection; whatever else is "unavailable" are a manager's own words. */
const NO_CONNECTION_REGEXP =
  /^(No connection established|Name resolution failed)(?:\. Last error: (?:\w+: )?(.*?)\. Resolution note:)?/s;
const LOST_REGEXP = /^(Connection dropped|Stream refused by server|read ECONNRESET|Received RST_STREAM)/;

/** What a call to the manager at `address` threw, as a Fault: the manager's own words, or why there is no connection. */
export function callFault(address: string, error: unknown): Fault {
  const fault = error instanceof Fault ? error : faultOf(error);
  const { message } = fault;
  if (LOST_REGEXP.test(message)) {
    return new Fault("unavailable", `the connection to the manager at ${address} is lost`, { cause: error });
  }
  const [matched, , last = ""] = NO_CONNECTION_REGEXP.exec(message) ?? [];
  if (matched === undefined) return fault;
  const reason = REASONS.find(([pattern]) => pattern.test(message))?.[1] ?? (last || "no connection");
  return new Fault("unavailable", `cannot reach a manager at ${address}: ${reason}`, { cause: error });
}
