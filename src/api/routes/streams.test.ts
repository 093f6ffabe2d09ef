import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock } from "../../lib/index.ts";
import { systemClock } from "../../sys/index.ts";
import { aContainerInfo } from "../backends.fake.ts";
import { ServedNode } from "../served-node.fake.ts";

const ID = "ab".repeat(32);
let node: ServedNode;

beforeEach(async () => {
  node = await ServedNode.start(systemClock);
  node.backends.containers.put(aContainerInfo({ id: ID, name: "web" }));
});
afterEach(() => node[Symbol.asyncDispose]());

/** A client that asks for the connection, byte by byte as it is told. */
class Client {
  readonly socket: Socket;
  text = "";
  ended = false;

  constructor(path: string, body = "", more = "", { socketPath }: ServedNode = node) {
    this.socket = connect({ path: socketPath, allowHalfOpen: true });
    this.socket.on("data", (chunk) => (this.text += chunk.toString("latin1")));
    this.socket.on("end", () => (this.ended = true));
    const head = [
      `POST /v1.51${path} HTTP/1.1`,
      ...["Host: docker", "Connection: Upgrade", "Upgrade: tcp", "Content-Type: application/json"],
      `Content-Length: ${body.length}`,
    ];
    this.socket.write(`${head.join("\r\n")}\r\n\r\n${body}${more}`);
  }

  /** The head, and what came after it. */
  get parts(): readonly [string, string] {
    const [head = "", ...rest] = this.text.split("\r\n\r\n");
    return [head, rest.join("\r\n\r\n")];
  }

  async end(): Promise<readonly [string, string]> {
    this.socket.end();
    if (!this.ended) await once(this.socket, "end");
    return this.parts;
  }
}

async function program(...Cmd: string[]): Promise<string> {
  const body = { Cmd, AttachStdin: true, AttachStdout: true, AttachStderr: true };
  const { status, text } = await node.ask("POST", `/containers/web/exec`, { body });
  expect(status).toBe(201);
  return JSON.parse(text).Id;
}

/** What is in the frames, in whatever pieces it came. */
function payloadsOf(output: string): string {
  const [length, rest] = [output.charCodeAt(7), output.slice(8)];
  return output === "" ? "" : rest.slice(0, length) + payloadsOf(rest.slice(length));
}

const frame = (stream: number, text: string) =>
  `${String.fromCharCode(stream)}\0\0\0${String.fromCharCode(0, 0, 0, text.length)}${text}`;

test("a program has the connection for itself: body, then input, each in whatever pieces", async () => {
  const client = new Client(`/exec/${await program("cat")}/start`, '{"Detach":false,"Tty":false}', "first ");
  client.socket.write("second");
  const [head, output] = await client.end();
  expect(head.split("\r\n")[0]).toBe("HTTP/1.1 101 UPGRADED");
  expect(head).toContain("Content-Type: application/vnd.docker.multiplexed-stream");
  expect(payloadsOf(output)).toBe("first second");
});

test("its errors go apart, its exit code is told afterwards, and it does not run twice", async () => {
  const id = await program("fail", "3");
  const [, output] = await new Client(`/exec/${id}/start`, "{}").end();
  expect(output).toBe(frame(2, "no luck\n"));
  expect(await node.get(`/exec/${id}/json`)).toMatchObject({ Running: false, ExitCode: 3, ContainerID: ID });
  const [head, body] = await new Client(`/exec/${id}/start`, "{}").end();
  expect(head).toMatch(/^HTTP\/1.1 409 /);
  expect(JSON.parse(body).message).toBe(`exec ${id} has already run`);
});

test("one that is not there says so in its stream, with Docker's exit code", async () => {
  const id = await program("nosuch");
  const [head, output] = await new Client(`/exec/${id}/start`, "{}").end();
  expect(head).toMatch(/^HTTP\/1.1 101 /);
  expect(output).toContain('"nosuch": executable file not found in $PATH');
  expect(await node.get(`/exec/${id}/json`)).toMatchObject({ ExitCode: 127 });
});

test("what cannot be had is an ordinary answer, whether or not the connection was asked for", async () => {
  for (const [path, body, status] of [
    ["/exec/nope/start", "{}", 404],
    ["/containers/nope/attach?stream=1", "", 404],
    ["/exec/x/start", "{", 400],
    ["/nowhere", "", 404],
    ["/containers/web/exec", '{"Cmd":["a"],"Odd":1}', 400],
  ] as const) {
    const [head] = await new Client(path, body).end();
    expect([path, head.split(" ")[1]]).toEqual([path, String(status)]);
  }
  node.backends.containers.exit(ID);
  const refused = await node.ask("POST", "/containers/web/exec", { body: { Cmd: ["cat"] } });
  expect([refused.status, JSON.parse(refused.text).message]).toEqual([409, `container ${ID} is not running`]);
});

test("who attaches sees what is said from then on, until the end", async () => {
  const { containers } = node.backends;
  const client = new Client("/containers/web/attach?stream=1&stdin=1&stdout=1&stderr=1");
  await expect.poll(() => containers.attachedTo(ID)).toBe(1);
  containers.say(ID, { at: 1n, stream: "stderr", line: Buffer.from("careful\n") });
  client.socket.write("typed\n");
  await expect.poll(() => client.parts[1]).toBe(frame(2, "careful\n") + frame(1, "typed\n"));
  containers.exit(ID);
  await expect.poll(() => client.ended).toBe(true);
  client.socket.destroy();
});

test("a terminal's stream has no frames, and sizes are taken", async () => {
  const tty = aContainerInfo({ id: "cd".repeat(32), name: "tty" });
  node.backends.containers.put({ ...tty, config: { ...tty.config, tty: true } });
  const client = new Client("/containers/tty/attach?stream=1&stdout=1");
  await expect.poll(() => node.backends.containers.attachedTo(tty.id)).toBe(1);
  node.backends.containers.say(tty.id, { at: 1n, stream: "stdout", line: Buffer.from("$ ") });
  await expect.poll(() => client.parts[1]).toBe("$ ");
  expect((await node.ask("POST", "/containers/tty/resize?h=40&w=100")).status).toBe(200);
  expect((await node.ask("POST", "/containers/tty/resize?h=x&w=100")).status).toBe(400);
  expect(node.backends.containers.sizes).toEqual([{ rows: 40, columns: 100 }]);
  client.socket.destroy();
});

test("without asking for the connection one may read to the end, or leave it running", async () => {
  const { status, text, headers } = await node.ask("POST", `/exec/${await program("fail", "1")}/start`, {
    body: {},
  });
  expect([status, text, headers["transfer-encoding"]]).toEqual([200, frame(2, "no luck\n"), undefined]);
  const id = await program("wait");
  expect((await node.ask("POST", `/exec/${id}/start`, { body: { Detach: true } })).status).toBe(200);
  expect(await node.get(`/exec/${id}/json`)).toMatchObject({ Running: true, Pid: 4712 });
});

test("a client that goes is let go, and the daemon's stop ends the others", async () => {
  const { containers } = node.backends;
  const gone = new Client("/containers/web/attach?stream=1&stdout=1");
  await expect.poll(() => containers.attachedTo(ID)).toBe(1);
  gone.socket.destroy();
  const stays = new Client("/containers/web/attach?stream=1&stdout=1");
  await expect.poll(() => containers.attachedTo(ID)).toBe(2);
  await node.close();
  await expect.poll(() => stays.ended).toBe(true);
  stays.socket.destroy();
});

test("a client that has said all it had to say is missed when it goes, though nothing is written to it", async () => {
  const { programs } = node.backends.containers;
  const id = await program("wait");
  const client = new Client(`/exec/${id}/start`, "{}");
  await expect.poll(() => client.text).toContain("101 UPGRADED");
  client.socket.end();
  await once(client.socket, "finish");
  expect(programs.left).toEqual([]);
  client.socket.destroy();
  await expect.poll(() => programs.left).toEqual([id]);
});

test("who attached and does not read is waited for, but not for ever", async () => {
  const clock = new FakeClock();
  await using other = await ServedNode.start(clock);
  const { containers } = other.backends;
  containers.put(aContainerInfo({ id: ID, name: "web" }));
  const client = new Client("/containers/web/attach?stream=1&stdout=1", "", "", other);
  await expect.poll(() => containers.attachedTo(ID)).toBe(1);
  client.socket.pause();
  client.socket.on("error", () => {});
  containers.say(ID, { at: 1n, stream: "stdout", line: Buffer.alloc(4 << 20) });
  await clock.advance(59_000);
  client.socket.resume();
  await expect.poll(() => client.text.length).toBeGreaterThan(4 << 20);
  client.socket.pause();
  containers.say(ID, { at: 1n, stream: "stdout", line: Buffer.alloc(4 << 20) });
  await clock.advance(60_000);
  client.socket.resume();
  await expect.poll(() => client.ended || client.socket.destroyed).toBe(true);
  expect(client.text.length).toBeLessThan(8 << 20);
  client.socket.destroy();
});

test("a stream that was asked for with an upgrade nobody gives (curl --http2) ends when its client goes", async () => {
  const { events } = node.backends;
  const socket = await node.connect();
  socket.write("GET /events HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
  await once(socket, "data");
  await expect.poll(() => events.listeners).toBe(1);
  socket.destroy();
  await expect.poll(() => events.listeners).toBe(0);
});
