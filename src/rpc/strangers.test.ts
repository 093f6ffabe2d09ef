import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { FakeClock } from "../lib/index.ts";
import { Strangers } from "./strangers.ts";

class Socket extends EventEmitter {
  bytesRead = 0;
  destroyed = false;

  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }
}

function meet(strangers: Strangers): Socket {
  const socket = new Socket();
  strangers.watch(socket);
  return socket;
}

test("who sends too much is cut off within a tenth of a second, who sends little is not", async () => {
  const clock = new FakeClock();
  const strangers = new Strangers(clock);
  const [modest, greedy] = [meet(strangers), meet(strangers)];
  modest.bytesRead = 10_000;
  greedy.bytesRead = 1_000_000;
  await clock.advance(100);
  expect([modest.destroyed, greedy.destroyed]).toEqual([false, true]);
});

test("who stays is cut off after half a minute", async () => {
  const clock = new FakeClock();
  const strangers = new Strangers(clock);
  const first = meet(strangers);
  await clock.advance(20_000);
  const second = meet(strangers);
  await clock.advance(10_000);
  expect([first.destroyed, second.destroyed]).toEqual([true, false]);
  await clock.advance(20_000);
  expect(second.destroyed).toBe(true);
});

test("the thousand and first is turned away, until one leaves", async () => {
  const strangers = new Strangers(new FakeClock());
  const all = Array.from({ length: 1_000 }, () => meet(strangers));
  expect(all.some((socket) => socket.destroyed)).toBe(false);
  expect(meet(strangers).destroyed).toBe(true);
  all[0]!.destroy();
  expect(meet(strangers).destroyed).toBe(false);
});
