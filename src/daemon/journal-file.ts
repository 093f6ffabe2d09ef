import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Log, messageOf } from "../lib/index.ts";
import type { EventJournal } from "./event-hub.ts";
import type { Kept } from "./kept-events.ts";

/** Lines after which the file is written anew, with what is still kept. */
const MAX_LINES = 4_000;
/** Labels of containers are in it. */
const MODE = 0o600;

/** The journal as a file of JSON lines. What is written survives this process, killed or not; a full disk costs the journal, nothing else. */
export class JournalFile implements EventJournal {
  readonly #path: string;
  readonly #log: Log;
  #lines = 0;
  #isBroken = false;

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  /** What can be read of it: a machine that lost its power may have left half a line. */
  load(): readonly Kept[] {
    const kept = linesOf(this.#path).flatMap(parsed);
    this.#lines = kept.length;
    return kept;
  }

  add(added: readonly Kept[], all: readonly Kept[]): void {
    this.#lines += added.length;
    if (this.#lines > MAX_LINES || this.#isBroken) this.replace(all);
    else this.#try(() => appendFileSync(this.#path, textOf(added), { mode: MODE }));
  }

  replace(all: readonly Kept[]): void {
    this.#lines = all.length;
    this.#try(() => {
      mkdirSync(dirname(this.#path), { recursive: true });
      writeFileSync(`${this.#path}.new`, textOf(all), { mode: MODE });
      renameSync(`${this.#path}.new`, this.#path);
    });
  }

  /** After a failure the file lacks lines: it is written anew. */
  #try(write: () => void): void {
    try {
      write();
      this.#isBroken = false;
    } catch (error) {
      if (!this.#isBroken) this.#log.error("events are not kept", { error: messageOf(error) });
      this.#isBroken = true;
    }
  }
}

const textOf = (all: readonly Kept[]) => all.map((kept) => `${JSON.stringify(kept)}\n`).join("");

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return [];
  }
}

function parsed(line: string): Kept[] {
  try {
    const kept = JSON.parse(line) as Kept;
    return typeof kept.event.at === "number" ? [kept] : [];
  } catch {
    return [];
  }
}
