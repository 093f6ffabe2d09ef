import { parentPort } from "node:worker_threads";
import type { NodeIdentity } from "../identity/index.ts";
import type { LogFields } from "../lib/index.ts";
import { type BeatSession, openBeatLine, PacedHeart } from "../rpc/index.ts";
import { systemClock } from "../sys/index.ts";

/** The thread that heartbeats come from: a connection, a clock, and nothing that could hold them up. */

/** What the daemon tells its heart. */
export type ToHeart =
  /** Whom it beats as, on connections from now on. */
  | { readonly kind: "identity"; readonly identity: NodeIdentity }
  | { readonly kind: "follow"; readonly session: BeatSession | undefined }
  /** The daemon's event loop turns. */
  | { readonly kind: "well" };

/** What the heart has for the daemon's log, where it looks for trouble. */
export interface FromHeart {
  readonly message: string;
  readonly fields: LogFields;
}

/** A daemon that has not turned its event loop for so long will not: its node is better dead than alone. */
const STUCK_MS = 60_000;

const port = parentPort;
if (port === null) throw new Error("this is a thread of shoald, not a program");

let identity: NodeIdentity | undefined;
let session: BeatSession | undefined;
let wellAt = systemClock.now();

const heart = new PacedHeart({
  openLine(address) {
    if (identity === undefined) throw new Error("a heart must know whose it is");
    return openBeatLine(address, identity);
  },
  isWell: () => systemClock.now() - wellAt < STUCK_MS,
  clock: systemClock,
  log: { debug: (message, fields = {}) => port.postMessage({ message, fields } satisfies FromHeart) },
});

const HANDLE: { readonly [K in ToHeart["kind"]]: (message: Extract<ToHeart, { kind: K }>) => void } = {
  identity(message) {
    identity = message.identity;
    // The line of a session that goes on is made anew.
    heart.follow(session);
  },
  follow(message) {
    session = message.session;
    heart.follow(session);
  },
  well() {
    wellAt = systemClock.now();
  },
};

port.on("message", (message: ToHeart) => {
  const handle = HANDLE[message.kind] as (message: ToHeart) => void;
  handle(message);
});
