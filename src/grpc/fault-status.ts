import { type ServiceError, status } from "@grpc/grpc-js";
import { FAULT_KINDS, Fault, type FaultKind } from "../lib/index.ts";

/** Our kinds in gRPC's words; read both ways, this is the one place that knows. */
const STATUS_OF: Readonly<Record<FaultKind, status>> = {
  invalid: status.INVALID_ARGUMENT,
  "not-found": status.NOT_FOUND,
  exists: status.ALREADY_EXISTS,
  conflict: status.ABORTED,
  precondition: status.FAILED_PRECONDITION,
  forbidden: status.PERMISSION_DENIED,
  unauthorized: status.UNAUTHENTICATED,
  unavailable: status.UNAVAILABLE,
  unsupported: status.UNIMPLEMENTED,
  timeout: status.DEADLINE_EXCEEDED,
  internal: status.INTERNAL,
};

/** A message longer than this is cut: it travels in a header. */
const MAX_DETAILS = 2_000;

/** A gRPC error as a Fault with the server's own words, after `what` when that is given. Unknown codes are "internal". */
export function faultOf(error: unknown, what?: string): Fault {
  const { code, details, message } = error as ServiceError;
  const kind = FAULT_KINDS.find((k) => STATUS_OF[k] === code) ?? "internal";
  const words = details || message;
  return new Fault(kind, what === undefined ? words : `${what}: ${words}`, { cause: error });
}

/** Whatever was thrown, as the status a client reads back with `faultOf`: same kind, same words. */
export function statusOf(thrown: unknown): { code: status; details: string } {
  const { kind, message } = Fault.from(thrown);
  return { code: STATUS_OF[kind], details: wellFormed(message.slice(0, MAX_DETAILS)) };
}

/** Without halves of surrogate pairs, which cannot be sent. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\uFFFD");
}
