import { Fault, type FaultKind, type Log } from "../lib/index.ts";
import { type ApiResponse, json } from "./route.ts";

/** The one place where a kind of error becomes an HTTP status (docs/errors.md; a test keeps the two equal). */
export const STATUS_OF: Readonly<Record<FaultKind, number>> = {
  invalid: 400,
  "not-found": 404,
  exists: 409,
  conflict: 409,
  precondition: 400,
  forbidden: 403,
  unauthorized: 401,
  unavailable: 503,
  unsupported: 501,
  timeout: 503,
  internal: 500,
};

/** Docker answers a stale version with 500, and clients retry on exactly this text. */
const OUT_OF_SEQUENCE = "update out of sequence";

export function statusOf(fault: Fault): number {
  return fault.kind === "conflict" && fault.message.includes(OUT_OF_SEQUENCE) ? 500 : STATUS_OF[fault.kind];
}

/** Whatever was thrown, as the answer `{"message": …}`; our own mistakes are logged with where they came from. */
export function answerOf(thrown: unknown, log: Log): ApiResponse {
  const fault = Fault.from(thrown);
  if (!(thrown instanceof Fault)) {
    log.error("request failed", {
      error: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
    });
  }
  return json(statusOf(fault), { message: fault.message });
}

export const PAGE_NOT_FOUND: ApiResponse = json(404, { message: "page not found" });
