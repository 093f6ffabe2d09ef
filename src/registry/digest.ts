import { createHash } from "node:crypto";
import { Fault } from "../lib/index.ts";

/** `sha256:<64 lowercase hex>` (OCI image spec, descriptor.md "Digests"). The only algorithm in use. */
export type Digest = string;

const SHAPE_REGEXP = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const SHA256_REGEXP = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: string): boolean {
  return SHA256_REGEXP.test(text);
}

/** The text, or a Fault "invalid" in the words of opencontainers/go-digest. */
export function requireDigest(text: string): Digest {
  if (SHA256_REGEXP.test(text)) return text;
  if (!SHAPE_REGEXP.test(text)) throw new Fault("invalid", "invalid reference format");
  if (!text.startsWith("sha256:")) throw new Fault("invalid", "unsupported digest algorithm");
  const hex = text.slice("sha256:".length);
  throw new Fault("invalid", `invalid checksum digest ${hex.length === 64 ? "format" : "length"}`);
}

export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
