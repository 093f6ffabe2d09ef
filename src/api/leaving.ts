import type { Duplex } from "node:stream";
import type { Clock, Timer } from "../lib/index.ts";

/** How soon it is noticed that a client is gone. */
const LOOK_MS = 1_000;

/**
 * Lets the connection break soon after its client is gone. One that had closed its half before says nothing more when it goes, and who
 * waits for it hears of that by writing alone: so nothing is written, again and again. Over TCP, keepalive has to find it out first.
 * Returns how to stop.
 */
export function noticeLeaving(socket: Duplex, clock: Clock): () => void {
  let timer: Timer = wait();
  function wait(): Timer {
    return clock.after(LOOK_MS, () => {
      // What waits to be sent will break it as well.
      if (socket.writable && socket.writableLength === 0) socket.write("");
      timer = wait();
    });
  }
  return () => timer.cancel();
}
