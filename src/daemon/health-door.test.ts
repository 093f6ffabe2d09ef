import { afterEach, beforeEach, expect, test } from "vitest";
import type { PortName, Readiness } from "../agent/index.ts";
import { HealthDoor } from "./health-door.ts";

let door: HealthDoor;
let state: Readiness;
const asked: (PortName | undefined)[] = [];

beforeEach(async () => {
  state = { ready: true };
  asked.length = 0;
  door = new HealthDoor((port) => {
    asked.push(port);
    return state;
  });
  await door.listen("127.0.0.1:0");
});
afterEach(() => door.close());

async function ask(path: string, method = "GET"): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${door.port}${path}`, { method });
  return `${response.status} ${await response.text()}`;
}

test("says whether the node is ready, and why it is not", async () => {
  expect(await ask("/ready")).toBe("200 ready\n");
  state = { ready: false, because: "the node is drained" };
  expect(await ask("/ready?from=haproxy")).toBe("503 not ready: the node is drained\n");
  expect(await ask("/ready", "HEAD")).toBe("503 ");
});

test("is asked for a port by its number, TCP unless said", async () => {
  await ask("/ready");
  await ask("/ready/8080");
  await ask("/ready/53/udp");
  expect(asked).toEqual([
    undefined,
    { published: 8080, protocol: "tcp" },
    { published: 53, protocol: "udp" },
  ]);
});

test.each([
  ["/", "GET", "404 say /ready, or /ready/PORT\n"],
  ["/ready/web", "GET", "404 say /ready, or /ready/PORT\n"],
  ["/ready/80/icmp", "GET", "404 say /ready, or /ready/PORT\n"],
  ["/ready/../../etc/passwd", "GET", "404 say /ready, or /ready/PORT\n"],
  ["/ready", "POST", "405 say GET\n"],
])("%s by %s is not served", async (path, method, answer) => {
  expect(await ask(path, method)).toBe(answer);
  expect(asked).toEqual([]);
});

test("an address that cannot be had is said", async () => {
  const second = new HealthDoor(() => state);
  const where = `127.0.0.1:${door.port}`;
  await expect(second.listen(where)).rejects.toThrow(`cannot listen on ${where}: listen EADDRINUSE`);
  await expect(second.listen("everywhere")).rejects.toThrow("cannot listen on everywhere: say address:port");
});
