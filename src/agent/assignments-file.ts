import { existsSync, mkdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Log, messageOf } from "../lib/index.ts";

/** Where a node keeps what was last assigned to it, over restarts of its agent. */
export interface SavedAssignments {
  /** What was saved last; undefined on a new node. Throws when it cannot be read. */
  load(): string | undefined;
  /** Never throws. What cannot be saved is logged, and what was there before is not to be read again. */
  save(text: string): void;
}

/** The assignments in a file of the node's. */
export class AssignmentsFile implements SavedAssignments {
  readonly #path: string;
  readonly #log: Log;

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  load(): string | undefined {
    return existsSync(this.#path) ? readFileSync(this.#path, "utf8") : undefined;
  }

  /**
   * A full disk stops no node. But what lies there from before must not come to life again at the next start: it is made
   * unreadable, which takes no room.
   */
  save(text: string): void {
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      writeFileSync(`${this.#path}.new`, text, { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
    } catch (error) {
      this.#log.error("assignments not saved", { error: messageOf(error) });
      try {
        if (existsSync(this.#path)) truncateSync(this.#path);
      } catch (again) {
        this.#log.error("old assignments stay", { error: messageOf(again) });
      }
    }
  }
}
