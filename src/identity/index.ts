/**
 * identity: who is who: the cluster's root CA, join tokens, nodes' keys and certificates, and how they are read back.
 * It opens no connection and keeps nothing but the files of one node's identity.
 */
export {
  type CertificateFacts,
  readNodeCertificate,
  verifyNodeCertificate,
} from "./certificate-facts.ts";
export { createNodeKey } from "./csr.ts";
export { IdentityFolder, type NodeIdentity, requireIdentity } from "./identity-folder.ts";
export { issueNodeCertificate } from "./node-certificate.ts";
export { renewalInstant, runRenewal } from "./renewal.ts";
export { createRootCa, type RootCa } from "./root-ca.ts";
export { caDigest, formatToken, newTokenSecret, parseToken, tokenGrants } from "./token.ts";
