import { expect, test } from "vitest";
import { FakeClock } from "../lib/index.ts";
import { describeBackend } from "./backend.contract.ts";
import { MemoryBackend } from "./memory-backend.fake.ts";

describeBackend("MemoryBackend", async () => {
  const backend = new MemoryBackend();
  return { backend, compact: async () => backend.compact() };
});

test("MemoryBackend takes its time when told to", async () => {
  const clock = new FakeClock();
  const backend = new MemoryBackend({ clock, latencyMs: 5 });
  let decided = false;
  const commit = backend
    .commit([{ op: "put", key: "/a", value: new Uint8Array(), expected: 0 }])
    .then(() => (decided = true));
  await clock.advance(4);
  expect(decided).toBe(false);
  await clock.advance(1);
  await commit;
  expect((await backend.list("/a")).entries.length).toBe(1);
});
