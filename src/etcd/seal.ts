import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { Fault, messageOf } from "../lib/index.ts";
import type { Seal } from "../store/index.ts";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/**
 * AES-256-GCM under a data key: random nonce, the store's key name as associated data (NIST SP 800-38D), so a value
 * cannot be moved under another name. Layout: nonce, tag, ciphertext.
 */
export function aesSeal(dataKey: Uint8Array): Seal {
  return {
    seal(key, plain) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", dataKey, nonce).setAAD(Buffer.from(key));
      const body = Buffer.concat([cipher.update(plain), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    open(key, sealed) {
      try {
        return unseal(dataKey, key, Buffer.from(sealed));
      } catch (cause) {
        const reason = "it was not sealed with this cluster's data key";
        throw new Fault("internal", `cannot open ${key}: ${reason}`, { cause });
      }
    },
  };
}

function unseal(dataKey: Uint8Array, key: string, bytes: Buffer): Uint8Array {
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const tag = bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
  // Without a fixed length Node takes shorter tags, which are easier to forge.
  const decipher = createDecipheriv("aes-256-gcm", dataKey, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(key)).setAuthTag(tag);
  return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
}

/** The data key in this file (mode 0600), made at first use. Fault "internal" when it cannot be read or is damaged. */
export function loadDataKey(file: string): Uint8Array {
  const key = attempt(`read the data key ${file}`, () => readIfThere(file) ?? makeDataKey(file));
  if (key.length === KEY_BYTES) return key;
  throw new Fault("internal", `cannot use the data key ${file}: ${key.length} bytes instead of ${KEY_BYTES}`);
}

/** Whole or not at all, on disk before it is used; of two that try at once, both get the first one's. */
function makeDataKey(file: string): Uint8Array {
  const fresh = `${file}.${randomBytes(4).toString("hex")}`;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  try {
    writeThrough(fresh, randomBytes(KEY_BYTES));
    linkSync(fresh, file);
    syncFolder(dirname(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(fresh, { force: true });
  }
  return readFileSync(file);
}

function writeThrough(file: string, bytes: Uint8Array): void {
  const fd = openSync(file, "wx", 0o600);
  try {
    writeSync(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function readIfThere(file: string): Uint8Array | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function attempt<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new Fault("internal", `cannot ${what}: ${messageOf(cause)}`, { cause });
  }
}
