import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { buildProgram } from "../../test/support/netns.ts";
import type { NameFacts } from "../dns/index.ts";
import { type Log, silentLog } from "../lib/index.ts";
import { systemClock } from "../sys/index.ts";
import { ThreadResolver } from "./index.ts";

let folder = "";
beforeAll(() => {
  folder = buildProgram("src/resolver/resolver-thread.ts");
});
afterAll(() => rmSync(folder, { recursive: true }));

const ends: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** An asker at 127.0.0.1, and a service "web" at `vip`. */
const factsOf = (vip: string): NameFacts => ({
  self: { nodeId: "n", dataPathAddress: "192.0.2.1", gatewaySubnet: "172.18.0.0/16", dataPathPort: 4789 },
  networks: [
    {
      ...{ id: "net", name: "front", vni: 4097, subnet: "10.0.1.0/24", gateway: "10.0.1.1", mtu: 1450 },
      ...{ ingress: false, internal: true },
    },
  ],
  services: [{ id: "s", name: "web", vips: { net: vip }, aliases: {}, ports: [] }],
  endpoints: [],
  tasks: [
    {
      ...{ taskId: "me", serviceId: "x", addresses: { net: "10.0.1.9" } },
      ...{ gatewayAddress: "127.0.0.1", hostPorts: [] },
    },
  ],
});

async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

async function start(log: Log = silentLog, program = join(folder, "program.js")) {
  const port = await freePort();
  const thread = pathToFileURL(program);
  const parts = { address: "127.0.0.1", port, upstreams: [], clock: systemClock, log, thread };
  const resolver = new ThreadResolver(parts);
  const stop = new AbortController();
  const running = resolver.run(stop.signal);
  ends.push(() => {
    stop.abort();
    return running;
  });
  return { port, resolver };
}

/** The address that "web" has, as one question is answered; "" when it is not within a moment. */
async function ask(port: number): Promise<string> {
  const socket = createSocket("udp4");
  try {
    socket.connect(port, "127.0.0.1");
    await once(socket, "connect");
    socket.send(QUESTION);
    const [answer] = (await once(socket, "message", { signal: AbortSignal.timeout(200) })) as [Buffer];
    return answer.readUInt16BE(6) === 1 ? answer.subarray(-4).join(".") : "";
  } catch {
    return "";
  } finally {
    socket.close();
  }
}

/** "web", A, id 1. */
const QUESTION = Buffer.from("0001010000010000000000000377656200" + "00010001", "hex");

/** Asks 20 times a second and says a line for each answer: when it came, on the clock of all processes, in ms. */
const ASKER = `
  const socket = require("node:dgram").createSocket("udp4");
  socket.on("message", () => console.log(Date.now()));
  socket.on("error", () => undefined);
  socket.connect(Number(process.argv[1]), "127.0.0.1", () =>
    setInterval(() => socket.send(Buffer.from("${QUESTION.toString("hex")}", "hex")), 50));
`;

test("what it is told is answered, and what it is told later", async () => {
  const { port, resolver } = await start();
  resolver.tell(factsOf("10.0.1.2"));
  await expect.poll(() => ask(port)).toBe("10.0.1.2");
  resolver.tell(factsOf("10.0.1.3"));
  await expect.poll(() => ask(port)).toBe("10.0.1.3");
});

test("while this thread is busy, names are answered", async () => {
  const { port, resolver } = await start();
  resolver.tell(factsOf("10.0.1.2"));
  await expect.poll(() => ask(port)).toBe("10.0.1.2");
  const asker = spawn(process.execPath, ["-e", ASKER, String(port)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  ends.push(() => asker.kill("SIGKILL"));
  const answeredAt: number[] = [];
  asker.stdout.on("data", (text: Buffer) =>
    answeredAt.push(...text.toString().trim().split("\n").map(Number)),
  );
  await expect.poll(() => answeredAt.length).toBeGreaterThan(2);
  const from = systemClock.now();
  while (systemClock.now() < from + 1000);
  const to = systemClock.now();
  await expect.poll(() => Math.max(...answeredAt)).toBeGreaterThan(to);
  // Twenty were asked; fewer on a machine that is busy with other things.
  expect(answeredAt.filter((at) => at > from + 50 && at < to - 50).length).toBeGreaterThanOrEqual(5);
});

test("a thread that dies is told in the log, and another one takes its place and knows what it knew", async () => {
  const said: unknown[] = [];
  const log = { ...silentLog, error: (message: string, fields: unknown) => said.push([message, fields]) };
  // Dies at its start if there is this file, and takes it with it.
  const omen = join(folder, "die");
  const mortal = join(folder, "mortal.js");
  writeFileSync(omen, "");
  writeFileSync(
    mortal,
    `import { existsSync, rmSync } from "node:fs";
     if (existsSync(${JSON.stringify(omen)})) { rmSync(${JSON.stringify(omen)}); throw new Error("out of luck"); }
     await import("./program.js");`,
  );
  const { port, resolver } = await start(log, mortal);
  resolver.tell(factsOf("10.0.1.2"));
  await expect.poll(() => ask(port)).toBe("10.0.1.2");
  expect(said).toEqual([["resolver's thread has died, starting another", { reason: "out of luck" }]]);
});
