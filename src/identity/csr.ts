import { KeyObject, webcrypto } from "node:crypto";
import { Fault } from "../lib/index.ts";
import { ALGORITHM, endLine, loadX509 } from "./x509.ts";

/** A node's fresh private key, and the request (PKCS#10) to have it certified. */
export interface NodeKey {
  /** PKCS#8. Never leaves the node. */
  readonly keyPem: string;
  readonly csrPem: string;
}

/** Longest request taken: one for a P-256 key has some 400 characters. */
const MAX_CSR_LENGTH = 8_192;

/** A new key. The request names nobody: the manager decides whom it certifies. */
export async function createNodeKey(): Promise<NodeKey> {
  const x509 = await loadX509();
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: ["swarm-node"] }],
    keys,
    signingAlgorithm: ALGORITHM,
  });
  const key = KeyObject.from(keys.privateKey).export({ type: "pkcs8", format: "pem" });
  return { keyPem: key.toString(), csrPem: endLine(csr.toString("pem")) };
}

/**
 * The public key of a request, once its holder has proved with the request's signature that he has the private one.
 * Of what else the request says nothing is believed. Fault "invalid" for anything but a signed P-256 request.
 */
export async function verifyCsr(csrPem: string): Promise<webcrypto.CryptoKey> {
  const x509 = await loadX509();
  if (csrPem.length > MAX_CSR_LENGTH) throw refused("it is too long");
  try {
    const csr = new x509.Pkcs10CertificateRequest(csrPem);
    const key = await csr.publicKey.export(ALGORITHM, ["verify"]);
    if (await csr.verify()) return key;
  } catch (cause) {
    throw refused("it is not a PKCS#10 request for an ECDSA P-256 key", { cause });
  }
  throw refused("its signature is wrong");
}

function refused(why: string, options?: ErrorOptions): Fault {
  return new Fault("invalid", `cannot read the certificate signing request: ${why}`, options);
}
