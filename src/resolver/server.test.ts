import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import {
  type DecodedPacket,
  decode,
  encode,
  type Packet,
  RECURSION_DESIRED,
  type RecordType,
} from "dns-packet";
import { afterEach, expect, test } from "vitest";
import type { NetworkFacts } from "../dataplane/index.ts";
import { FakeClock, silentLog } from "../lib/index.ts";
import { systemClock } from "../sys/index.ts";
import { Forwarder } from "./forwarder.ts";
import { TcpFrames, withLength } from "./frames.ts";
import { DnsServer } from "./server.ts";

const ends: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** An asker at 127.0.0.1 who is a task on one network with one service of many tasks. */
function factsOf(tasks: number, internal = false): NetworkFacts {
  const addresses = Array.from({ length: tasks }, (_, i) => `10.0.1.${i + 10}`);
  return {
    self: { nodeId: "n", dataPathAddress: "192.0.2.1", gatewaySubnet: "172.18.0.0/16", dataPathPort: 4789 },
    networks: [
      {
        id: "net",
        name: "front",
        vni: 4097,
        subnet: "10.0.1.0/24",
        gateway: "10.0.1.1",
        mtu: 1450,
        ingress: false,
        internal,
      },
    ],
    nodes: [],
    services: [{ id: "s", name: "web", vips: { net: "10.0.1.2" }, aliases: {}, ports: [] }],
    endpoints: addresses.map((address, i) => ({
      taskId: `t${i}`,
      serviceId: "s",
      name: `web.${i}.t${i}`,
      nodeId: "n",
      addresses: { net: address },
    })),
    attachments: [],
    tasks: [
      {
        taskId: "me",
        serviceId: "x",
        addresses: { net: "10.0.1.9" },
        gatewayAddress: "127.0.0.1",
        hostPorts: [],
      },
    ],
  };
}

async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

interface Ports {
  readonly udp: number;
  readonly tcp: number;
}

async function startServer(
  start: NetworkFacts,
  upstreamPort = 9,
  facts: () => NetworkFacts = () => start,
): Promise<Ports> {
  const stop = new AbortController();
  const parts = { address: "127.0.0.1", port: 0, upstreams: ["127.0.0.1"], upstreamPort, facts };
  const [ports, running] = await new Promise<[Ports, Promise<void>]>((resolve) => {
    const server = new DnsServer({
      ...parts,
      onListening: (bound) => resolve([bound, serving]),
      clock: systemClock,
      log: silentLog,
    });
    const serving = server.run(stop.signal);
  });
  ends.push(() => {
    stop.abort();
    return running;
  });
  return ports;
}

/** A resolver of the outside that answers every question with one address. */
async function startUpstream(): Promise<number> {
  const socket: Socket = createSocket("udp4");
  socket.on("message", (message, from) => {
    const { id, questions = [] } = decode(message);
    const answers = questions.map(({ name }) => ({ type: "A", name, data: "192.0.2.77" }) as const);
    socket.send(encode({ type: "response", id: id ?? 0, questions, answers }), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  ends.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  return socket.address().port;
}

function question(name: string, type: RecordType = "A"): Buffer {
  return encode({ type: "query", id: 7, flags: RECURSION_DESIRED, questions: [{ type, name }] });
}

async function askUdp({ udp: port }: Pick<Ports, "udp">, message: Buffer): Promise<DecodedPacket> {
  const answer = await new Forwarder(systemClock).ask(message, [{ address: "127.0.0.1", port }], "udp");
  if (answer === undefined) throw new Error("no answer");
  return decode(answer);
}

async function askTcp({ tcp: port }: Ports, messages: readonly Buffer[]): Promise<DecodedPacket[]> {
  const socket = connect(port, "127.0.0.1", () => {
    for (const message of messages) socket.write(withLength(message));
  });
  ends.push(() => socket.destroy());
  const frames = new TcpFrames();
  const found: DecodedPacket[] = [];
  for await (const chunk of socket) {
    found.push(...frames.take(chunk).map((frame) => decode(frame)));
    if (found.length >= messages.length) break;
  }
  return found;
}

const rcode = ({ flags = 0 }: DecodedPacket) => flags & 15;
const data = ({ answers = [] }: DecodedPacket) => answers.map((a) => ("data" in a ? a.data : undefined));

test("a task asks by UDP and by TCP, several questions on one connection", async () => {
  const port = await startServer(factsOf(2));
  expect(data(await askUdp(port, question("WEB")))).toEqual(["10.0.1.2"]);
  const both = await askTcp(port, [question("web"), question("2.1.0.10.in-addr.arpa", "PTR")]);
  expect(both.map(data)).toEqual([["10.0.1.2"], ["web.front"]]);
});

test("what does not fit into UDP is cut, and whole by TCP", async () => {
  const port = await startServer(factsOf(60));
  const cut = await askUdp(port, question("tasks.web"));
  expect(cut.flag_tc).toBe(true);
  expect(data(cut).length).toBeLessThan(60);
  const [whole] = await askTcp(port, [question("tasks.web")]);
  expect(data(whole as DecodedPacket).length).toBe(60);
});

test("names of the outside are asked outside, unless every network is internal", async () => {
  const upstream = await startUpstream();
  const open = await startServer(factsOf(1), upstream);
  expect(data(await askUdp(open, question("example.org")))).toEqual(["192.0.2.77"]);
  const closed = await startServer(factsOf(1, true), upstream);
  expect(rcode(await askUdp(closed, question("example.org")))).toBe(3);
});

test("a task with nameservers of its own asks those", async () => {
  const upstream = await startUpstream();
  const facts = factsOf(1);
  const mine = facts.tasks.map((task) => ({ ...task, nameservers: ["127.0.0.3"] }));
  const port = await startServer({ ...facts, tasks: mine }, upstream);
  // Nobody listens at 127.0.0.3; the node's own upstream would have answered.
  expect(rcode(await askUdp(port, question("example.org")))).toBe(2);
  expect(data(await askUdp(port, question("web")))).toEqual(["10.0.1.2"]);
});

test("an outside that is not there is a failure said at once", async () => {
  const port = await startServer(factsOf(1), await freePort());
  expect(rcode(await askUdp(port, question("example.org")))).toBe(2);
});

/** An upstream that answers every question with one RCODE and no record; `heard` resolves at the first question. */
async function startRefusal(code: number | "silence"): Promise<{ port: number; heard: Promise<void> }> {
  const socket = createSocket("udp4");
  const heard = new Promise<void>((resolve) => socket.once("message", () => resolve()));
  socket.on("message", (message, from) => {
    if (code === "silence") return;
    const answer = Buffer.from(message);
    answer.writeUInt16BE(0x8000 | code, 2);
    socket.send(answer, from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  ends.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  return { port: socket.address().port, heard };
}

/** An upstream whose every answer is one address, unless it is mute. */
async function startSaying(
  address: string,
  isMute: () => boolean = () => false,
  onHeard: () => void = () => undefined,
): Promise<number> {
  const socket = createSocket("udp4");
  socket.on("message", (message, from) => {
    onHeard();
    if (isMute()) return;
    const { id = 0, questions = [] } = decode(message);
    const answers = [{ type: "A", name: "x", data: address } as const];
    socket.send(encode({ type: "response", id, questions, answers }), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  ends.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  return socket.address().port;
}

/** An upstream that has many addresses for every name, whole by TCP and as `overUdp` makes it by UDP. */
async function startBoth(
  addresses: readonly string[],
  overUdp: (message: Packet) => Packet,
): Promise<number> {
  const answer = (message: Buffer): Packet => {
    const { id = 0, questions = [] } = decode(message);
    const answers = addresses.map((data) => ({ type: "A", name: "example.org", data }) as const);
    return { type: "response", id, questions, answers };
  };
  const tcp = createServer((socket) => {
    const frames = new TcpFrames();
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      for (const frame of frames.take(chunk)) socket.write(withLength(encode(answer(frame))));
    });
  }).listen(0, "127.0.0.1");
  await once(tcp, "listening");
  ends.push(() => tcp.close());
  const place = tcp.address();
  const port = typeof place === "object" ? (place?.port ?? 0) : 0;
  const udp = createSocket("udp4");
  udp.on("message", (message, from) => udp.send(encode(overUdp(answer(message))), from.port, from.address));
  await new Promise<void>((resolve) => udp.bind(port, "127.0.0.1", resolve));
  ends.push(() => new Promise<void>((resolve) => udp.close(() => resolve())));
  return port;
}

const local = (port: number) => ({ address: "127.0.0.1", port });

test("an upstream that fails or refuses makes way for the next, and is heard when there is no better", async () => {
  const [failing, refusing] = [await startRefusal(2), await startRefusal(5)];
  const ups = [failing, refusing].map(({ port }) => local(port));
  const good = local(await startUpstream());
  const asked = question("example.org");
  const answer = await new Forwarder(systemClock).ask(asked, [...ups, good], "udp");
  expect(data(decode(answer ?? Buffer.alloc(0)))).toEqual(["192.0.2.77"]);
  const worst = await new Forwarder(systemClock).ask(asked, ups, "udp");
  expect(rcode(decode(worst ?? Buffer.alloc(0)))).toBe(2);
  const nonexistent = local((await startRefusal(3)).port);
  const no = await new Forwarder(systemClock).ask(asked, [nonexistent, good], "udp");
  expect(rcode(decode(no ?? Buffer.alloc(0)))).toBe(3);
});

test("an upstream that says nothing for two seconds makes way for the next", async () => {
  const clock = new FakeClock();
  const mute = await startRefusal("silence");
  const asked = new Forwarder(clock).ask(
    question("x"),
    [local(mute.port), local(await startUpstream())],
    "udp",
  );
  await mute.heard;
  await clock.advance(1999);
  await clock.advance(1);
  expect(data(decode((await asked) ?? Buffer.alloc(0)))).toEqual(["192.0.2.77"]);
});

test("only the first question waits for a dead upstream; once that answers, it is first again", async () => {
  const clock = new FakeClock();
  let isMute = true;
  let heard = 0;
  const [first, second] = [
    await startSaying(
      "192.0.2.1",
      () => isMute,
      () => heard++,
    ),
    await startSaying("192.0.2.2"),
  ];
  const ups = [local(first), local(second)];
  const forwarder = new Forwarder(clock);
  const ask = async () =>
    data(decode((await forwarder.ask(question("x"), ups, "udp")) ?? Buffer.alloc(0)))[0];
  const slow = ask();
  await expect.poll(() => heard).toBe(1);
  await clock.advance(2000);
  expect(await slow).toBe("192.0.2.2");
  // No time passes on this clock: nobody waits for anything.
  for (let i = 0; i < 3; i++) expect(await ask()).toBe("192.0.2.2");
  expect(heard).toBe(1);
  isMute = false;
  await clock.advance(1000);
  expect(await ask()).toBe("192.0.2.2");
  await expect.poll(ask).toBe("192.0.2.1");
});

test("an answer that is cut comes as it is, and the TCP question goes on by TCP; one that is too long is cut", async () => {
  const many = Array.from({ length: 60 }, (_, i) => `192.0.2.${i}`);
  const cut = await startBoth(many, (message) =>
    Object.assign(message, { answers: [], flag_tc: true, flags: 0x200 }),
  );
  const port = await startServer(factsOf(1), cut);
  expect(await askUdp(port, question("example.org"))).toMatchObject({ flag_tc: true, answers: [] });
  const [whole] = await askTcp(port, [question("example.org")]);
  expect(data(whole as DecodedPacket)).toEqual(many);

  const long = await startServer(factsOf(1), await startBoth(many, (message) => message));
  const questions = [{ type: "A" as const, name: "example.org" }];
  expect(await askUdp(long, question("example.org"))).toMatchObject({
    flag_tc: true,
    answers: [],
    questions,
  });
  const edns = { type: "OPT", name: ".", udpPayloadSize: 4096, flags: 0, options: [] };
  const able = encode({ type: "query", id: 7, questions, additionals: [edns as never] });
  expect(data(await askUdp(long, able))).toEqual(many);
});

test("an address that is no IPv4 address is passed over", async () => {
  const good = local(await startUpstream());
  const answer = await new Forwarder(systemClock).ask(
    question("x"),
    [{ address: "::1", port: 9 }, good],
    "udp",
  );
  expect(answer).toBeDefined();
});

test("what changes is known at the next question", async () => {
  let facts = factsOf(1);
  const port = await startServer(factsOf(1), 9, () => facts);
  expect(data(await askUdp(port, question("web")))).toEqual(["10.0.1.2"]);
  facts = { ...facts, services: facts.services.map((s) => ({ ...s, vips: { net: "10.0.1.200" } })) };
  expect(data(await askUdp(port, question("web")))).toEqual(["10.0.1.200"]);
  facts = { ...facts, tasks: [] };
  expect(rcode(await askUdp(port, question("web")))).toBe(5);
});

test("many questions on one connection are answered in order, however late the asker reads", async () => {
  const port = await startServer(factsOf(60));
  const ids = Array.from({ length: 2000 }, (_, i) => i);
  const socket = connect(port.tcp, "127.0.0.1");
  ends.push(() => socket.destroy());
  const name = "tasks.web";
  for (const id of ids)
    socket.write(withLength(encode({ type: "query", id, questions: [{ type: "A", name }] })));
  const frames = new TcpFrames();
  const answered: (number | undefined)[] = [];
  for await (const chunk of socket) {
    answered.push(...frames.take(chunk).map((frame) => decode(frame).id));
    if (answered.length === ids.length) break;
  }
  expect(answered).toEqual(ids);
});

test("who waits for the outside holds up no other question of his connection", async () => {
  const mute = createServer((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1");
  ends.push(() => mute.close());
  await once(mute, "listening");
  const place = mute.address();
  const port = await startServer(factsOf(1), typeof place === "object" ? (place?.port ?? 0) : 0);
  const socket = connect(port.tcp, "127.0.0.1");
  ends.push(() => socket.destroy());
  for (const name of ["example.org", "web"]) socket.write(withLength(question(name)));
  const [chunk] = (await once(socket, "data")) as [Buffer];
  expect(data(decode(new TcpFrames().take(chunk)[0] ?? Buffer.alloc(0)))).toEqual(["10.0.1.2"]);
});

test("who has said that he asks no more still gets his answers, and then the end", async () => {
  const port = await startServer(factsOf(60));
  const socket = connect({ port: port.tcp, host: "127.0.0.1", allowHalfOpen: true });
  ends.push(() => socket.destroy());
  socket.end(withLength(question("tasks.web")));
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  const [answer] = new TcpFrames().take(Buffer.concat(chunks));
  expect(data(decode(answer ?? Buffer.alloc(0))).length).toBe(60);
});

test("one asker cannot take all connections", async () => {
  const port = await startServer(factsOf(1));
  let closed = 0;
  const opened = Array.from({ length: 40 }, () => {
    const socket = connect(port.tcp, "127.0.0.1");
    ends.push(() => socket.destroy());
    return new Promise<void>((resolve) => {
      socket.on("error", () => undefined);
      socket.on("close", () => {
        closed++;
        resolve();
      });
      socket.on("data", () => resolve());
      socket.write(withLength(question("web")));
    });
  });
  await Promise.all(opened);
  expect(closed).toBeGreaterThanOrEqual(8);
  const other = connect({ port: port.tcp, host: "127.0.0.1", localAddress: "127.0.0.2" });
  ends.push(() => other.destroy());
  other.write(withLength(question("web")));
  const [chunk] = (await once(other, "data")) as [Buffer];
  expect(rcode(decode(new TcpFrames().take(chunk)[0] ?? Buffer.alloc(0)))).toBe(5);
});

test("a stranger is refused, garbage is passed over, and the next question is answered", async () => {
  const facts = factsOf(1);
  const stranger = await startServer({ ...facts, tasks: [] });
  expect(rcode(await askUdp(stranger, question("web")))).toBe(5);
  const port = await startServer(facts);
  const socket = createSocket("udp4");
  ends.push(() => socket.close());
  for (const scrap of [Buffer.alloc(3), Buffer.alloc(40, 0xff), encode({ type: "response", id: 1 })]) {
    await new Promise((resolve) => socket.send(scrap, port.udp, "127.0.0.1", resolve));
  }
  expect(data(await askUdp(port, question("web")))).toEqual(["10.0.1.2"]);
});

test("the resolver waits for its address", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  // TEST-NET-1: no machine's own address.
  const server = new DnsServer({
    address: "192.0.2.1",
    port: 5353,
    upstreams: [],
    facts: () => factsOf(1),
    clock,
    log: silentLog,
  });
  const running = server.run(stop.signal);
  await clock.advance(1_000);
  stop.abort();
  await running;
});

test("TCP messages come whole from chunks of any size", () => {
  const frames = new TcpFrames();
  const bytes = Buffer.concat([withLength(Buffer.from("one")), withLength(Buffer.from("three"))]);
  const found = [...bytes].flatMap((byte) => frames.take(Buffer.of(byte)));
  expect(found.map(String)).toEqual(["one", "three"]);
});
