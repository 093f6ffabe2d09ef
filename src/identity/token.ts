import { createHash, timingSafeEqual } from "node:crypto";
import { Fault, newId, type Random, toBase36 } from "../lib/index.ts";
import type { NodeRole } from "../model/index.ts";

/** A join token's parts (swarmkit ca/config.go): which root to believe, and the word that lets a node in. */
export interface JoinToken {
  /** SHA-256 of the root certificate's PEM, in hex. */
  readonly digest: string;
  readonly secret: string;
}

const DIGEST_LENGTH = 50;
const TOKEN_REGEXP = /^SWMTKN-1-([0-9a-z]{50})-([0-9a-z]{25})$/;
const MAX_DIGEST = 1n << 256n;

/** The digest that pins a root certificate: over its PEM text, as swarmkit does. */
export function caDigest(certificatePem: string): string {
  return createHash("sha256").update(certificatePem).digest("hex");
}

/** 128 random bits as 25 characters of base 36. */
export function newTokenSecret(random: Random): string {
  return newId(random);
}

export function formatToken(digest: string, secret: string): string {
  return `SWMTKN-1-${toBase36(Buffer.from(digest, "hex"), DIGEST_LENGTH)}-${secret}`;
}

/** A token's parts. Fault "invalid" `invalid join token`, Docker's words, for anything else. */
export function parseToken(token: string): JoinToken {
  const [, digits = "", secret = ""] = TOKEN_REGEXP.exec(token) ?? [];
  const value = fromBase36(digits);
  if (secret === "" || value >= MAX_DIGEST) throw new Fault("invalid", "invalid join token");
  return { digest: value.toString(16).padStart(64, "0"), secret };
}

/** The role that a token stands for; undefined when it is none of ours. Takes as long for a near miss as for any. */
export function tokenGrants(
  token: string,
  tokens: { readonly worker: string; readonly manager: string },
): NodeRole | undefined {
  const isWorker = sameSecret(token, tokens.worker);
  const isManager = sameSecret(token, tokens.manager);
  if (isManager) return "manager";
  return isWorker ? "worker" : undefined;
}

/** Digests first, so that neither length nor place of a difference shows in the time taken. */
function sameSecret(a: string, b: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}

function fromBase36(digits: string): bigint {
  let value = 0n;
  for (const digit of digits) value = value * 36n + BigInt(Number.parseInt(digit, 36));
  return value;
}
