import { createPrivateKey, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault, type Instant, messageOf } from "../lib/index.ts";
import { type CertificateFacts, verifyNodeCertificate } from "./certificate-facts.ts";

/** All that a node proves itself with, and what that says. */
export interface NodeIdentity extends CertificateFacts {
  readonly certificatePem: string;
  /** PKCS#8. A secret. */
  readonly keyPem: string;
  readonly rootPem: string;
}

type Pems = Pick<NodeIdentity, "certificatePem" | "keyPem" | "rootPem">;

/**
 * An identity whose parts fit together: the key is the certificate's, the certificate is the root's and valid now.
 * Fault "unauthorized" otherwise.
 */
export function requireIdentity(pems: Pems, now: Instant): NodeIdentity {
  const { certificatePem, keyPem, rootPem } = pems;
  const facts = verifyNodeCertificate(certificatePem, rootPem, now);
  if (!keyFits(certificatePem, keyPem)) {
    throw new Fault("unauthorized", "cannot use this node's certificate: it was made for another key");
  }
  return { certificatePem, keyPem, rootPem, ...facts };
}

function keyFits(certificatePem: string, keyPem: string): boolean {
  try {
    return new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    return false;
  }
}

/**
 * Where a node keeps its identity. One file holds all of it, so that a crash in the middle of a renewal leaves the
 * old identity or the new one, never the key of one with the certificate of the other.
 */
export class IdentityFolder {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  get #file(): string {
    return join(this.folder, "identity.json");
  }

  /**
   * The identity; undefined when there is none. Faults: "internal" when the file is unreadable; "unauthorized" when its
   * parts do not fit together or the certificate has expired.
   */
  load(now: Instant): NodeIdentity | undefined {
    if (!existsSync(this.#file)) return undefined;
    return requireIdentity(this.#read(), now);
  }

  save({ certificatePem, keyPem, rootPem }: Pems): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const text = JSON.stringify({ certificatePem, keyPem, rootPem });
    writeFileSync(`${this.#file}.new`, text, { mode: 0o600, flush: true });
    renameSync(`${this.#file}.new`, this.#file);
  }

  remove(): void {
    for (const file of [this.#file, `${this.#file}.new`]) rmSync(file, { force: true });
  }

  #read(): Pems {
    try {
      const { certificatePem, keyPem, rootPem } = JSON.parse(readFileSync(this.#file, "utf8")) as Pems;
      new X509Certificate(rootPem);
      return { certificatePem, keyPem, rootPem };
    } catch (cause) {
      throw new Fault("internal", `cannot read this node's identity in ${this.#file}: ${messageOf(cause)}`, {
        cause,
      });
    }
  }
}
