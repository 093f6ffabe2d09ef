import { createPrivateKey, webcrypto } from "node:crypto";
import { Fault, messageOf, type Random } from "../lib/index.ts";

type Library = typeof import("@peculiar/x509");

/** What both of the cluster's kinds of certificate are signed with (swarmkit ca/certificates.go: ECDSA P-256). */
export const ALGORITHM: { readonly name: "ECDSA"; readonly namedCurve: "P-256"; readonly hash: "SHA-256" } = {
  name: "ECDSA",
  namedCurve: "P-256",
  hash: "SHA-256",
};

let loaded: Promise<Library> | undefined;

/** The X.509 library; loaded when first needed, since most nodes need it twice a year. */
export function loadX509(): Promise<Library> {
  loaded ??= loadLibrary();
  return loaded;
}

async function loadLibrary(): Promise<Library> {
  await import("reflect-metadata");
  return import("@peculiar/x509");
}

/** A private key in PEM as a key that can sign. Fault "internal" when it is no P-256 key. */
export async function importKey(keyPem: string): Promise<webcrypto.CryptoKey> {
  try {
    const der = createPrivateKey(keyPem).export({ type: "pkcs8", format: "der" });
    return await webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]);
  } catch (cause) {
    throw new Fault("internal", `cannot read a private key: ${messageOf(cause)}`, { cause });
  }
}

/** 128 random bits as a certificate's serial number: positive, never zero, always 16 bytes long. */
export function newSerial(random: Random): string {
  const [first = 0, ...rest] = random.bytes(16);
  return [(first & 0x3f) | 0x40, ...rest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** PEM as Go's encoder writes it: ending in a newline. */
export function endLine(pem: string): string {
  return pem.endsWith("\n") ? pem : `${pem}\n`;
}
