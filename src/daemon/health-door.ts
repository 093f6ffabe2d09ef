import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { PortName, Readiness } from "../agent/index.ts";
import { Fault } from "../lib/index.ts";

/** A question takes no longer than this; who asks more slowly is cut off. */
const REQUEST_MS = 5_000;
const MAX_HEADER_BYTES = 4_096;
const PATH = /^\/ready(?:\/(\d{1,5})(?:\/(tcp|udp|sctp))?)?$/;

/**
 * Tells load balancers in front of the nodes whether this one may be sent connections: `GET /ready`, or `GET /ready/8080`
 * (`/ready/53/udp`) for one published port. 200 when it is, 503 with the reason when it is not; nothing else is served, and
 * nobody is asked who he is. See docs/external-load-balancer.md.
 */
export class HealthDoor {
  readonly #server: Server;

  constructor(readiness: (port?: PortName) => Readiness) {
    const limits = {
      requestTimeout: REQUEST_MS,
      headersTimeout: REQUEST_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    };
    this.#server = createServer(limits, (request, response) => answer(readiness, request, response));
  }

  /** Takes "0.0.0.0:2378" or "[::]:2378". Faults: "invalid" for another form, "internal" when the address cannot be had. */
  async listen(where: string): Promise<void> {
    const [, host, port] = /^\[?(.*?)\]?:(\d+)$/.exec(where) ?? [];
    if (host === undefined) throw new Fault("invalid", `cannot listen on ${where}: say address:port`);
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (cause) =>
        reject(new Fault("internal", `cannot listen on ${where}: ${cause.message}`, { cause })),
      );
      this.#server.listen({ host, port: Number(port) }, resolve);
    });
  }

  /** The port it has, for who asked for any (0). */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function answer(
  readiness: (port?: PortName) => Readiness,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { status, text } = answerTo(readiness, request.method ?? "", request.url ?? "");
  response.writeHead(status, { "content-type": "text/plain", "cache-control": "no-store" });
  response.end(request.method === "HEAD" ? undefined : `${text}\n`);
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function answerTo(readiness: (port?: PortName) => Readiness, method: string, url: string): Answer {
  const [path, port, protocol] = PATH.exec(url.split("?", 1)[0] ?? "") ?? [];
  if (path === undefined) return { status: 404, text: "say /ready, or /ready/PORT" };
  if (method !== "GET" && method !== "HEAD") return { status: 405, text: "say GET" };
  const asked: PortName | undefined = port === undefined ? undefined : named(port, protocol);
  const state = readiness(asked);
  return state.ready ? { status: 200, text: "ready" } : { status: 503, text: `not ready: ${state.because}` };
}

function named(port: string, protocol = "tcp"): PortName {
  return { published: Number(port), protocol: protocol as PortName["protocol"] };
}
