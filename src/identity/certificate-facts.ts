import { X509Certificate } from "node:crypto";
import { Fault, type Instant } from "../lib/index.ts";
import type { NodeRole } from "../model/index.ts";
import { parseDate } from "./dates.ts";

/** OU by role (swarmkit ca/certificates.go). */
export const ROLE_UNITS: Readonly<Record<NodeRole, string>> = {
  worker: "swarm-worker",
  manager: "swarm-manager",
};

/** What a node's certificate says. */
export interface CertificateFacts {
  readonly nodeId: string;
  readonly role: NodeRole;
  readonly clusterId: string;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
}

/** A certificate in PEM or DER. */
export type NodeCertificate = string | Uint8Array;

/** Reads a node's certificate without believing it. Fault "unauthorized" when it is not of a node's form. */
export function readNodeCertificate(certificate: NodeCertificate): CertificateFacts {
  return factsOf(parse(certificate));
}

/**
 * What a node's certificate says, once it is known to be true: signed by this root itself and valid now.
 * Fault "unauthorized" otherwise.
 */
export function verifyNodeCertificate(
  certificate: NodeCertificate,
  rootPem: string,
  now: Instant,
): CertificateFacts {
  const leaf = parse(certificate);
  const root = new X509Certificate(rootPem);
  if (leaf.ca || !leaf.checkIssued(root) || !leaf.verify(root.publicKey)) {
    throw refused("it was issued by another cluster");
  }
  const facts = factsOf(leaf);
  if (now < facts.notBefore) throw refused("it is not valid yet; are the clocks of both nodes right?");
  if (now >= facts.notAfter) throw refused("it has expired");
  return facts;
}

function factsOf(leaf: X509Certificate): CertificateFacts {
  // An attribute that is there twice is a list here, and refused with the rest.
  const subject: Readonly<Record<string, unknown>> = { ...leaf.toLegacyObject().subject };
  const { CN: nodeId, OU: unit, O: clusterId } = subject;
  const role = (["worker", "manager"] as const).find((r) => ROLE_UNITS[r] === unit);
  if (typeof nodeId !== "string" || typeof clusterId !== "string" || role === undefined) {
    throw refused("it names no node, role and cluster");
  }
  return {
    nodeId,
    role,
    clusterId,
    notBefore: parseDate(leaf.validFrom),
    notAfter: parseDate(leaf.validTo),
  };
}

function parse(certificate: NodeCertificate): X509Certificate {
  try {
    return new X509Certificate(certificate);
  } catch (cause) {
    throw refused("it is not an X.509 certificate", { cause });
  }
}

function refused(why: string, options?: ErrorOptions): Fault {
  return new Fault("unauthorized", `cannot accept a node's certificate: ${why}`, options);
}
