import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeClock, silentLog } from "../lib/index.ts";
import { systemClock } from "../sys/index.ts";
import { FakeBackends } from "./backends.fake.ts";
import { empty, json, type Route, stream } from "./route.ts";
import { readAll, ServedNode } from "./served-node.fake.ts";
import { ApiServer } from "./server.ts";

let node: ServedNode;

/** Resolves when the condition holds; the machine's own events drive it. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

describe("any request", () => {
  beforeEach(async () => {
    node = await ServedNode.start(systemClock);
  });
  afterEach(() => node[Symbol.asyncDispose]());

  test("carries the headers that clients negotiate by", async () => {
    for (const [method, path] of [
      ["HEAD", "/_ping"],
      ["GET", "/_ping"],
      ["GET", "/v1.44/_ping"],
      ["GET", "/no/such/route"],
    ] as const) {
      const { headers } = await node.ask(method, path);
      expect(headers).toMatchObject({
        "api-version": "1.51",
        "docker-experimental": "false",
        ostype: "linux",
        server: "Shoal/0.1.0 (linux)",
      });
    }
  });

  test("is refused in one JSON sentence when no route has it", async () => {
    for (const path of [
      "/no/such/route",
      "/v1.51",
      "/v1.51/%zz",
      "//",
      "/images/json/",
      "/v1.51/images/x/nonsense",
    ]) {
      const answer = await node.ask("GET", path);
      expect([answer.status, JSON.parse(answer.text)]).toEqual([404, { message: "page not found" }]);
    }
  });

  test("of a version outside the range is refused", async () => {
    const answer = await node.ask("GET", "/v9.99/info");
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text).message).toContain("client version 9.99 is too new");
  });

  test("may name the whole address, as proxies do", async () => {
    const socket = await node.connect();
    socket.end("GET http://docker/v1.51/version HTTP/1.0\r\n\r\n");
    expect(await readAll(socket)).toContain('"ApiVersion":"1.51"');
  });

  test("of a client that has closed its half is answered", async () => {
    const socket = await node.connect();
    socket.end("GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n");
    expect(await readAll(socket)).toMatch(/^HTTP\/1.1 200 OK[\s\S]*OK$/);
  });
});

describe("bad input", () => {
  beforeEach(async () => {
    node = await ServedNode.start(systemClock);
  });
  afterEach(() => node[Symbol.asyncDispose]());

  test("garbage is answered with 400, and the connection ends", async () => {
    const socket = await node.connect();
    socket.write("\x00\xffGARBAGE\r\n\r\n");
    const text = await readAll(socket);
    expect(text).toMatch(/^HTTP\/1.1 400 Bad Request/);
    expect(text).toContain('{"message":"this is no HTTP request"}');
  });

  test("headers without an end are answered with 431", async () => {
    const socket = await node.connect();
    socket.on("error", () => {});
    socket.write(`GET / HTTP/1.1\r\nX: ${"x".repeat(300 << 10)}`);
    expect(await readAll(socket)).toMatch(/^HTTP\/1.1 431 /);
  });

  test("a body that is no JSON, of another type, or too long, is answered with 400", async () => {
    const create = (body: string | Uint8Array, headers = {}) =>
      node.ask("POST", "/v1.51/volumes/create", { body, headers });
    const messageOf = ({ text }: { text: string }) => JSON.parse(text).message;
    const broken = await create("{not json");
    expect([broken.status, messageOf(broken)]).toEqual([400, expect.stringMatching(/^invalid JSON: /)]);
    const yaml = await create("{}", { "content-type": "text/yaml" });
    expect([yaml.status, messageOf(yaml)]).toEqual([
      400,
      "unsupported Content-Type header (text/yaml): must be 'application/json'",
    ]);
    const long = await create(Buffer.alloc(8 << 20, " "));
    expect([long.status, messageOf(long)]).toEqual([400, expect.stringContaining("longer than")]);
    const chunked = await create(Buffer.alloc(8 << 20, " "), { "transfer-encoding": "chunked" });
    expect([chunked.status, messageOf(chunked)]).toEqual([400, expect.stringContaining("longer than")]);
    expect(await node.get("/volumes")).toMatchObject({ Volumes: [] });
  });

  test("a client that leaves in the middle of its body leaves nothing behind", async () => {
    const socket = await node.connect();
    socket.write(
      "POST /volumes/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    );
    socket.destroy();
    const half = await node.connect();
    half.end("POST /volumes/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{");
    expect(await readAll(half)).not.toContain("201");
    expect(await node.get("/volumes")).toMatchObject({ Volumes: [] });
  });

  test("every value of any shape is a sentence, never a stack", async () => {
    for (const body of [
      null,
      [],
      7,
      "x",
      { Name: 7 },
      { Labels: ["a"] },
      { Surprise: 1 },
      { DriverOpts: { a: 1 } },
    ]) {
      const { status, text } = await node.ask("POST", "/volumes/create", { body });
      expect(text).not.toMatch(/\bat .*:\d+/);
      expect(body === null ? 201 : 400).toBe(status);
    }
  });
});

test("a client that sends no headers is sent away in time", async () => {
  await using slow = await ServedNode.start(systemClock, { headersMs: 200 });
  const socket = await slow.connect();
  socket.write("GET /_ping HTT");
  expect(await readAll(socket)).toMatch(/^HTTP\/1.1 408 /);
});

test("a body that stops is refused after the deadline", async () => {
  const clock = new FakeClock();
  await using slow = await ServedNode.start(clock);
  const socket = await slow.connect();
  let text = "";
  socket.on("data", (chunk) => (text += String(chunk)));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.on("end", () => socket.end());
  socket.write("POST /volumes/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{");
  await until(() => {
    void clock.advance(1_000);
    return text.includes("did not arrive in 30 s");
  });
  expect(text).toMatch(/^HTTP\/1.1 400 /);
  await until(() => {
    void clock.advance(1_000);
    return socket.readableEnded || socket.destroyed;
  });
  await closed;
});

describe("streams", () => {
  /** Endless chunks; counts what was taken and whether it was told to stop. */
  class Source {
    taken = 0;
    isOver = false;
    aborted = false;

    readonly routes: readonly Route[] = [
      {
        method: "GET",
        path: "/flood",
        handle: async ({ signal }) => {
          signal.addEventListener("abort", () => (this.aborted = true));
          return stream("application/octet-stream", this.#flood());
        },
      },
      {
        method: "GET",
        path: "/quiet",
        handle: async ({ signal }) => {
          signal.addEventListener("abort", () => (this.aborted = true));
          return stream("application/json", this.#quiet(signal));
        },
      },
      {
        method: "GET",
        path: "/broken",
        handle: async () => stream("application/json", this.#broken()),
      },
      { method: "GET", path: "/unprintable", handle: async () => json(200, { big: 1n }) },
    ];

    async *#flood(): AsyncGenerator<Uint8Array> {
      try {
        while (true) {
          this.taken++;
          yield Buffer.alloc(64 << 10);
        }
      } finally {
        this.isOver = true;
      }
    }

    async *#quiet(signal: AbortSignal): AsyncGenerator<Uint8Array> {
      yield Buffer.from("first\n");
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      this.isOver = true;
    }

    async *#broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("first\n");
      throw new Error("the disk is gone");
    }
  }

  let source: Source;
  beforeEach(async () => {
    source = new Source();
    node = await ServedNode.start(systemClock, { routes: source.routes });
  });
  afterEach(() => node[Symbol.asyncDispose]());

  async function open(path: string) {
    const socket = await node.connect();
    socket.on("error", () => {});
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    return socket;
  }

  test("are read no faster than the client takes them, and end when it leaves", async () => {
    const socket = await open("/flood");
    socket.pause();
    let before = -1;
    await until(() => {
      const isStill = source.taken === before && source.taken > 0;
      before = source.taken;
      return isStill;
    });
    expect(source.taken).toBeLessThan(100);
    socket.destroy();
    await until(() => source.isOver);
    expect(source.aborted).toBe(true);
  });

  test("send what they have at once, and a quiet one ends when the client leaves", async () => {
    const socket = await open("/quiet");
    let text = "";
    socket.on("data", (chunk) => (text += String(chunk)));
    await until(() => text.includes("first\n"));
    expect(text.toLowerCase()).toContain("transfer-encoding: chunked");
    socket.destroy();
    await until(() => source.isOver);
  });

  test("end when the client closes its half", async () => {
    const socket = await open("/quiet");
    socket.end();
    expect(await readAll(socket)).toContain("first");
    expect(source.aborted).toBe(true);
  });

  test("end when the daemon stops", async () => {
    const socket = await open("/quiet");
    const all = readAll(socket);
    await until(() => socket.bytesRead > 0);
    await node.close();
    expect(await all).toMatch(/first[\s\S]*\r\n0\r\n\r\n$/);
  });

  test("that break are cut off without an end, so that the client sees it", async () => {
    expect(await readAll(await open("/broken"))).not.toContain("\r\n0\r\n\r\n");
  });

  test("an answer that cannot be written ends the connection", async () => {
    expect(await readAll(await open("/unprintable"))).toBe("");
  });
});

describe("the socket", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "shoal-socket-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const make = () =>
    new ApiServer({
      backends: new FakeBackends(systemClock),
      clock: systemClock,
      log: silentLog,
      version: "0.1.0",
    });

  test("is for root and the group alone, and gone after the end", async () => {
    const path = join(folder, "deep", "api.sock");
    const server = make();
    await server.listen(`unix://${path}`);
    expect(statSync(path).mode & 0o777).toBe(0o660);
    await server.close();
    expect(existsSync(path)).toBe(false);
  });

  test("of a dead daemon is replaced", async () => {
    const path = join(folder, "api.sock");
    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(join(folder, "made"), resolve));
    const { renameSync } = await import("node:fs");
    renameSync(join(folder, "made"), path);
    await new Promise((resolve) => dead.close(resolve));
    expect(existsSync(path)).toBe(true);
    const server = make();
    await server.listen(`unix://${path}`);
    await server.close();
  });

  test("of a living daemon is left alone", async () => {
    const path = join(folder, "api.sock");
    const first = make();
    await first.listen(`unix://${path}`);
    await expect(make().listen(`unix://${path}`)).rejects.toThrow(
      `cannot listen on unix://${path}: another daemon listens there`,
    );
    expect(existsSync(path)).toBe(true);
    await first.close();
  });

  test("is never a file of another kind, nor open to the network without TLS", async () => {
    const path = join(folder, "notes.txt");
    await writeFile(path, "mine");
    await expect(make().listen(`unix://${path}`)).rejects.toThrow("that file is no socket");
    await expect(make().listen("tcp://127.0.0.1:2375")).rejects.toThrow("TCP without TLS is not served");
    await expect(make().listen("docker.sock")).rejects.toThrow("it is neither unix:///path");
  });

  test("run serves until it is told to stop", async () => {
    const path = join(folder, "api.sock");
    const server = make();
    await server.listen(`unix://${path}`);
    const stop = new AbortController();
    const running = server.run(stop.signal);
    stop.abort();
    await running;
    expect(existsSync(path)).toBe(false);
  });
});

test("nothing of a request stays with a connection that others use after it", async () => {
  const sockets = new Set<Socket>();
  const handle: Route["handle"] = async () => empty(204);
  await using node = await ServedNode.start(systemClock, {
    routes: [{ method: "POST", path: "/x", handle }],
  });
  const count = (socket: Socket) => socket.listenerCount("close");
  const watch = (message: unknown) => sockets.add((message as { socket: Socket }).socket);
  subscribe("http.server.request.start", watch);
  const socket = await node.connect();
  const counts: number[] = [];
  try {
    for (let i = 0; i < 5; i++) {
      socket.write("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n");
      await once(socket, "data");
      socket.write("{}");
      // The next answer tells that the body of this one is through.
      socket.write("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
      await once(socket, "data");
      counts.push(...[...sockets].map(count));
    }
  } finally {
    unsubscribe("http.server.request.start", watch);
    socket.destroy();
  }
  expect(Math.max(...counts)).toBe(Math.min(...counts));
});
