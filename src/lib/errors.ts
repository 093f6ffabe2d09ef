/** The closed set of what can go wrong, in Docker's errdefs words. Statuses are decided in api/ and rpc/, one file each. */
export const FAULT_KINDS = [
  "invalid", // the caller's words are wrong
  "not-found", // the thing named does not exist
  "exists", // the name or number is taken
  "conflict", // the version is stale, or the thing is in the wrong state for this
  "precondition", // something else must happen first (still in use, not drained)
  "forbidden", // known caller, not allowed
  "unauthorized", // unknown caller, or a bad secret
  "unavailable", // not now: no manager, no leader, a part is down
  "unsupported", // not built, or not on this machine
  "timeout", // the deadline passed
  "internal", // our own mistake, or a part's
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

/**
 * The one error class. The message is a whole sentence for the person who reads it:
 * "cannot <verb> <thing>: <reason>", or Docker's own words where its CLI or scripts read them.
 */
export class Fault extends Error {
  readonly kind: FaultKind;

  constructor(kind: FaultKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "Fault";
    this.kind = kind;
  }

  /** Whatever was thrown, as a Fault: a Fault passes through, anything else is "internal". */
  static from(thrown: unknown, context?: string): Fault {
    if (thrown instanceof Fault) return thrown;
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    return new Fault("internal", context === undefined ? reason : `${context}: ${reason}`, { cause: thrown });
  }

  /** True when `thrown` is a Fault of this kind. */
  static is(thrown: unknown, kind: FaultKind): thrown is Fault {
    return thrown instanceof Fault && thrown.kind === kind;
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
