import { Fault } from "../lib/index.ts";

const SEQUENCE = 0x30;
const EXPLICIT_VERSION = 0xa0;

/**
 * `TLSInfo` of a root certificate in PEM: the certificate, its subject and its public key, both DER in base64.
 * Empty for an empty certificate. Fault "internal" when the text is no certificate.
 */
export function tlsInfoToWire(rootPem: string): Record<string, unknown> {
  if (rootPem === "") return {};
  const body = /-----BEGIN CERTIFICATE-----([\s\S]*?)-----END CERTIFICATE-----/.exec(rootPem)?.[1];
  if (body === undefined) throw new Fault("internal", "cannot read the root certificate: it is no PEM");
  const certificate = bytesOf(body);
  const { subject, publicKey } = fieldsOf(certificate);
  return {
    TrustRoot: rootPem,
    CertIssuerSubject: base64Of(subject),
    CertIssuerPublicKey: base64Of(publicKey),
  };
}

/** Subject and SubjectPublicKeyInfo out of a certificate (RFC 5280 4.1), whole elements. */
function fieldsOf(certificate: Uint8Array): { subject: Uint8Array; publicKey: Uint8Array } {
  const whole = elementAt(certificate, 0);
  const tbs = elementAt(certificate, whole.body);
  const fields = childrenOf(certificate, tbs);
  const first = fields[0]?.[0] === EXPLICIT_VERSION ? 1 : 0;
  // After the version: serial, signature algorithm, issuer, validity, subject, public key.
  const [subject, publicKey] = fields.slice(first + 4, first + 6);
  if (subject?.[0] !== SEQUENCE || publicKey?.[0] !== SEQUENCE) {
    throw new Fault("internal", "cannot read the root certificate: it is no X.509");
  }
  return { subject, publicKey };
}

interface Element {
  readonly start: number;
  /** Where its content starts. */
  readonly body: number;
  readonly end: number;
}

/** One DER element: a tag byte, a length (short, or long form of up to four bytes), the content. */
function elementAt(der: Uint8Array, start: number): Element {
  const short = der[start + 1] ?? 0;
  const lengthBytes = short < 0x80 ? 0 : short & 0x7f;
  const body = start + 2 + lengthBytes;
  const length =
    lengthBytes === 0 ? short : der.slice(start + 2, body).reduce((sum, byte) => sum * 256 + byte, 0);
  const end = body + length;
  if (lengthBytes > 4 || end > der.length) {
    throw new Fault("internal", "cannot read the root certificate: it is cut short");
  }
  return { start, body, end };
}

function childrenOf(der: Uint8Array, parent: Element): Uint8Array[] {
  const children: Uint8Array[] = [];
  for (let at = parent.body; at < parent.end; ) {
    const child = elementAt(der, at);
    children.push(der.slice(child.start, child.end));
    at = child.end;
  }
  return children;
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64.replace(/\s+/g, "")), (char) => char.charCodeAt(0));
}

function base64Of(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
