import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { decode, encode } from "dns-packet";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../sys/index.ts";
import { Forwarder } from "./forwarder.ts";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function startSocket(
  heard: (socket: Socket, message: Buffer, from: RemoteInfo) => void,
): Promise<number> {
  const socket = createSocket("udp4");
  socket.on("message", (message, from) => heard(socket, message, from));
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  ends.push(() => new Promise((resolve) => socket.close(() => resolve())));
  return socket.address().port;
}

const asked = encode({ type: "query", id: 4711, questions: [{ type: "A", name: "Example.org" }] });

/** What an upstream says to a question, with another id or about another name when it lies. */
function said(query: Buffer, address: string, lie: { id?: number; name?: string } = {}): Buffer {
  const { id = 0 } = decode(query);
  const name = lie.name ?? "example.org";
  return encode({
    type: "response",
    id: lie.id ?? id,
    questions: [{ type: "A", name }],
    answers: [{ type: "A", name, data: address }],
  });
}

const ask = async (port: number) =>
  decode(
    (await new Forwarder(systemClock).ask(asked, [{ address: "127.0.0.1", port }], "udp")) ?? Buffer.alloc(0),
  );

test("every question goes out with an id and a port that nobody can guess, and comes back with the asker's id", async () => {
  const ids = new Set<number | undefined>();
  const ports = new Set<number>();
  const port = await startSocket((socket, message, from) => {
    ids.add(decode(message).id);
    ports.add(from.port);
    socket.send(said(message, "192.0.2.1"), from.port, from.address);
  });
  for (let i = 0; i < 20; i++) expect((await ask(port)).id).toBe(4711);
  // 20 ids of 65,536 of which fewer than 15 differ: not in the age of the universe.
  expect(ids.size).toBeGreaterThan(15);
  expect(ports.size).toBeGreaterThan(10);
});

test("another id, another question, a question and another's answer are passed over; the right one counts", async () => {
  let stranger: Socket | undefined;
  const port = await startSocket((socket, message, from) => {
    const { id = 0 } = decode(message);
    const tell = (bytes: Buffer, by = socket) => by.send(bytes, from.port, from.address);
    stranger = createSocket("udp4");
    stranger.send(said(message, "192.0.2.66"), from.port, from.address, () => {
      stranger?.close();
      tell(said(message, "192.0.2.67", { id: id ^ 1 }));
      tell(said(message, "192.0.2.68", { name: "example.com" }));
      tell(message);
      tell(Buffer.alloc(5));
      tell(said(message, "192.0.2.1"));
    });
  });
  expect((await ask(port)).answers).toMatchObject([{ data: "192.0.2.1" }]);
});
