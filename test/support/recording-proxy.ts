import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";

export interface Recorded {
  readonly method: string;
  /** With its query: "/v1.50/services/create". */
  readonly path: string;
  readonly body: unknown;
}

/** Stands on a unix socket before another one, and keeps the JSON of every POST that passes. */
export class RecordingProxy {
  readonly recorded: Recorded[] = [];
  readonly #server;

  constructor(target: string) {
    this.#server = createServer((from, to) => this.#pass(target, from, to));
  }

  listen(socket: string): Promise<void> {
    return new Promise((resolve) => this.#server.listen(socket, resolve));
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #pass(socketPath: string, from: IncomingMessage, to: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of from) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const { method = "GET", url: path = "/", headers } = from;
    if (method === "POST") this.recorded.push({ method, path, body: JSON.parse(body.toString()) });
    const onward = httpRequest({ socketPath, method, path, headers, agent: false }, (answer) => {
      to.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(to);
    });
    onward.on("error", (error) => to.destroy(error));
    onward.end(body);
  }
}
