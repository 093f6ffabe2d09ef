import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { type IncomingHttpHeaders, type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, silentLog } from "../lib/index.ts";
import { FakeBackends } from "./backends.fake.ts";
import type { Route } from "./route.ts";
import { ApiServer, type ApiServerOptions } from "./server.ts";

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A node in memory behind a real API server on a real socket. */
export class ServedNode {
  readonly backends: FakeBackends;
  readonly socketPath: string;
  readonly #folder: string;
  readonly #server: ApiServer;

  private constructor(folder: string, backends: FakeBackends, server: ApiServer) {
    this.#folder = folder;
    this.backends = backends;
    this.#server = server;
    this.socketPath = join(folder, "api.sock");
  }

  static async start(
    clock: Clock,
    options: { routes?: readonly Route[] } & Partial<Pick<ApiServerOptions, "headersMs" | "looksOnly">> = {},
  ): Promise<ServedNode> {
    const backends = new FakeBackends(clock);
    const server = new ApiServer({ backends, clock, log: silentLog, version: "0.1.0", ...options });
    const folder = await mkdtemp(join(tmpdir(), "shoal-api-"));
    const node = new ServedNode(folder, backends, server);
    await server.listen(`unix://${node.socketPath}`);
    return node;
  }

  /** One request, and its whole answer. */
  async ask(
    method: string,
    path: string,
    { body, headers = {} }: { body?: unknown; headers?: Readonly<Record<string, string>> } = {},
  ): Promise<Answered> {
    const isRaw = typeof body === "string" || body instanceof Uint8Array;
    const payload = body === undefined || isRaw ? body : JSON.stringify(body);
    const type = payload === undefined ? {} : { "content-type": "application/json" };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request(
        { socketPath: this.socketPath, method, path, headers: { ...type, ...headers }, agent: false },
        resolve,
      );
      sent.on("error", reject);
      sent.end(payload);
    });
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text: Buffer.concat(chunks).toString("utf8"),
    };
  }

  /** The JSON that a GET answers with. */
  async get(path: string): Promise<unknown> {
    return JSON.parse((await this.ask("GET", path)).text);
  }

  /** A bare connection, for what no HTTP library sends. */
  connect(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path: this.socketPath, allowHalfOpen: true }, () => resolve(socket));
      socket.once("error", reject);
    });
  }

  /** The stock CLI against this node: what it printed on both outputs, and how it ended. */
  docker(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const env = {
      PATH: process.env["PATH"],
      HOME: this.#folder,
      DOCKER_HOST: `unix://${this.socketPath}`,
      TZ: "UTC",
    };
    return new Promise((resolve) => {
      const child = execFile("docker", [...args], { env }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
      });
      child.stdin?.end();
    });
  }

  close(): Promise<void> {
    return this.#server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Everything a connection says until it ends. */
export async function readAll(socket: Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  return text;
}
