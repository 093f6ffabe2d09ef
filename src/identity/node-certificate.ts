import { X509Certificate } from "node:crypto";
import type { Instant } from "../lib/index.ts";
import type { NodeRole } from "../model/index.ts";
import { ROLE_UNITS } from "./certificate-facts.ts";
import { verifyCsr } from "./csr.ts";
import { parseDate, validity } from "./dates.ts";
import type { RootCa } from "./root-ca.ts";
import { ALGORITHM, endLine, importKey, loadX509 } from "./x509.ts";

export interface NodeCertificateRequest {
  readonly root: RootCa;
  readonly csrPem: string;
  readonly nodeId: string;
  readonly role: NodeRole;
  readonly clusterId: string;
  readonly validForMs: number;
  readonly now: Instant;
}

/**
 * A node's certificate in PEM, as swarmkit makes them: CN the node, OU its role, O the cluster, for both ends of TLS;
 * never valid for longer than its root. Fault "invalid" when the request is not one.
 */
export async function issueNodeCertificate(request: NodeCertificateRequest): Promise<string> {
  const { root, nodeId, role, clusterId, now } = request;
  const x509 = await loadX509();
  const publicKey = await verifyCsr(request.csrPem);
  const issuer = new x509.X509Certificate(root.certificatePem);
  const rootEnd = parseDate(new X509Certificate(root.certificatePem).validTo);
  const usages = x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment;
  const certificate = await x509.X509CertificateGenerator.create({
    subject: [{ O: [clusterId] }, { OU: [ROLE_UNITS[role]] }, { CN: [nodeId] }],
    issuer: issuer.subjectName,
    ...validity(now, Math.min(request.validForMs, rootEnd - now)),
    signingKey: await importKey(root.keyPem),
    signingAlgorithm: ALGORITHM,
    publicKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(usages, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      new x509.SubjectAlternativeNameExtension(
        namesOf(role, nodeId).map((value) => ({ type: "dns" as const, value })),
      ),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return endLine(certificate.toString("pem"));
}

/** swarmkit ca/certificates.go, PrepareCSR: the role, the node, and for managers the CA they speak for. */
function namesOf(role: NodeRole, nodeId: string): string[] {
  return [ROLE_UNITS[role], nodeId, ...(role === "manager" ? ["swarm-ca"] : [])];
}
