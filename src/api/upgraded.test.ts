import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../sys/index.ts";
import { readAll, ServedNode } from "./served-node.fake.ts";

let node: ServedNode;

beforeEach(async () => {
  node = await ServedNode.start(systemClock);
});
afterEach(() => node[Symbol.asyncDispose]());

/** Sends it all, closes its half, and has the whole answer. */
async function told(...parts: readonly (string | Uint8Array)[]): Promise<string> {
  const socket = await node.connect();
  socket.on("error", () => {});
  for (const part of parts) socket.write(part);
  socket.end();
  return readAll(socket);
}

test("an upgrade to something else changes nothing", async () => {
  const answer = await told("GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
  expect(answer).toMatch(/^HTTP\/1.1 200 OK[\s\S]*OK/);
});

test("whatever follows the head of an upgrade, and whatever it says of its length, is answered and harms nobody", async () => {
  const paths = fc.constantFrom(
    "/exec/x/start",
    "/containers/x/attach?stream=1",
    "/containers/x/exec",
    "/nope",
  );
  const length = fc.constantFrom("0", "1", "7", "4096", "99999999999", "-1", "x");
  await fc.assert(
    fc.asyncProperty(paths, length, fc.uint8Array({ maxLength: 5000 }), async (path, bytes, noise) => {
      const head = `POST ${path} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n`;
      expect(await told(`${head}Content-Length: ${bytes}\r\n\r\n`, noise)).toMatch(/^HTTP\/1.1 4\d\d /);
    }),
    { numRuns: 100 },
  );
  expect((await node.ask("GET", "/_ping")).text).toBe("OK");
});
