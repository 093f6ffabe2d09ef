import { KeyObject, webcrypto } from "node:crypto";
import type { Clock, Random } from "../lib/index.ts";
import { validity } from "./dates.ts";
import { ALGORITHM, endLine, loadX509, newSerial } from "./x509.ts";

/** A cluster's root: its certificate and the key that signs every node's. */
export interface RootCa {
  readonly certificatePem: string;
  /** PKCS#8. A secret: managers only. */
  readonly keyPem: string;
}

/** swarmkit ca/certificates.go: RootCAExpiration, 20 years. */
const ROOT_VALID_MS = 630_720_000 * 1000;

/** A fresh root: ECDSA P-256, self-signed, CN "swarm-ca", 20 years. */
export async function createRootCa({ clock, random }: { clock: Clock; random: Random }): Promise<RootCa> {
  const x509 = await loadX509();
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const usages = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(random),
    name: [{ CN: ["swarm-ca"] }],
    ...validity(clock.now(), ROOT_VALID_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      // Node certificates come straight from the root; nothing may stand between.
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(usages, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const key = KeyObject.from(keys.privateKey).export({ type: "pkcs8", format: "pem" });
  return { certificatePem: endLine(certificate.toString("pem")), keyPem: key.toString() };
}
