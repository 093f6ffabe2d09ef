import { type CertificateFacts, type NodeIdentity, verifyNodeCertificate } from "../identity/index.ts";
import { Fault, type Instant } from "../lib/index.ts";
import type { NodeRole } from "../model/index.ts";

/** Who is at the other end of a connection: nobody known, a node, or somebody whose certificate is refused. */
export type Caller =
  | { readonly kind: "anonymous" }
  | { readonly kind: "node"; readonly facts: CertificateFacts }
  | { readonly kind: "refused"; readonly fault: Fault };

/** Judges the certificate (DER) that the other end of a connection presented, if it did. */
export function callerOf(
  certificate: Uint8Array | undefined,
  { rootPem, clusterId }: Pick<NodeIdentity, "rootPem" | "clusterId">,
  now: Instant,
): Caller {
  if (certificate === undefined) return { kind: "anonymous" };
  try {
    const facts = verifyNodeCertificate(certificate, rootPem, now);
    if (facts.clusterId === clusterId) return { kind: "node", facts };
    throw new Fault("unauthorized", "cannot accept a node's certificate: it is of another cluster");
  } catch (error) {
    return { kind: "refused", fault: Fault.from(error) };
  }
}

/**
 * The calling node, when it may call. Faults: "unauthorized" for callers without a certificate in force, "forbidden" for
 * nodes whose role may not.
 */
export function admit(
  method: string,
  callers: readonly NodeRole[],
  caller: Caller,
  now: Instant,
): CertificateFacts {
  if (caller.kind === "refused") throw caller.fault;
  if (caller.kind === "anonymous") {
    throw new Fault("unauthorized", `cannot call ${method}: a node's certificate is needed`);
  }
  const { facts } = caller;
  if (now >= facts.notAfter) {
    throw new Fault("unauthorized", "cannot accept a node's certificate: it has expired");
  }
  if (!callers.includes(facts.role)) {
    throw new Fault("forbidden", `cannot call ${method}: a ${facts.role} may not`);
  }
  return facts;
}
