import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { Fault, messageOf } from "../lib/index.ts";
import type { SavedNetworks } from "./local-networks.ts";

/** A node's own networks in a file: what is there is always whole. */
export class NetworksFile implements SavedNetworks {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  load(): string | undefined {
    return existsSync(this.#path) ? readFileSync(this.#path, "utf8") : undefined;
  }

  save(text: string): void {
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      writeFileSync(`${this.#path}.new`, text, { mode: 0o600, flush: true });
      renameSync(`${this.#path}.new`, this.#path);
    } catch (cause) {
      throw new Fault("internal", `cannot keep this node's networks: ${messageOf(cause)}`, { cause });
    }
  }
}
