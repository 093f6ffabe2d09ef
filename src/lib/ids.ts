import type { Random } from "./random.ts";

const ID_LENGTH = 25;

/** A fresh object id in Swarm's form: 128 random bits as 25 characters of base 36 (swarmkit identity/randomid.go). */
export function newId(random: Random): string {
  return toBase36(random.bytes(16), ID_LENGTH);
}

/** Big-endian bytes as lowercase base 36, left-padded with zeros to `width`, cut from the left when longer. */
export function toBase36(bytes: Uint8Array, width: number): string {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value.toString(36).padStart(width, "0").slice(-width);
}

/** `n` random bytes in lowercase hex: container ids (32 bytes), secrets in file names. */
export function randomHex(random: Random, n: number): string {
  return Array.from(random.bytes(n), (b) => b.toString(16).padStart(2, "0")).join("");
}
