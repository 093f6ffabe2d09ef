import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import { aborted, type Clock, Fault, type Log, messageOf, type Timer } from "../lib/index.ts";
import type { Backends } from "./backends.ts";
import { readBody, readJsonBody } from "./body.ts";
import { answerOf, PAGE_NOT_FOUND } from "./errors.ts";
import { parseListenAddress } from "./listen-address.ts";
import { checkLooksOnly } from "./look-only.ts";
import { refuseGarbage } from "./refuse.ts";
import { respond } from "./respond.ts";
import type { ApiResponse, Route } from "./route.ts";
import { RouteTable } from "./route-table.ts";
import { allRoutes } from "./routes/index.ts";
import { clearSocketPath, protectSocket } from "./socket-file.ts";
import { MAX_API_VERSION, splitVersion } from "./versions.ts";

export interface ApiServerOptions {
  readonly backends: Backends;
  readonly clock: Clock;
  readonly log: Log;
  /** This daemon's own version. */
  readonly version: string;
  readonly routes?: readonly Route[];
  /** Who besides root may use the socket, when the machine has that group: "docker". */
  readonly group?: string;
  /** How long a client may take to send its headers. */
  readonly headersMs?: number;
  /** Without it the API is served on a unix socket only. */
  readonly tls?: ApiTls;
  /** Serves tools that only look: refuses what changes anything or gives away contents, and shows no join tokens. */
  readonly looksOnly?: boolean;
}

/** PEM. Clients have to show a certificate of this CA, as with dockerd's --tlsverify. */
export interface ApiTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** How long the rest of a refused body may still come in before the connection is cut. */
const LINGER_MS = 5_000;
/** How long requests under way may take to end when the daemon stops. */
const DRAIN_MS = 5_000;
/** A client has this long to send its headers. */
const HEADERS_MS = 10_000;
/** Registry credentials travel in a header. */
const MAX_HEADER_BYTES = 256 << 10;

/** A TLS client has this long for its handshake. */
const HANDSHAKE_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;

/** The Engine API at one address. */
export class ApiServer {
  readonly #options: ApiServerOptions;
  readonly #table: RouteTable;
  readonly #server: Server | TlsServer;
  /** Requests under way. (Not AbortSignal.any with one long-lived signal: Node 20 keeps a trace of every use.) */
  readonly #open = new Set<AbortController>();
  #isStopping = false;
  /** Connections with an answer under way: nothing else may be written there. */
  readonly #busy = new WeakSet<object>();

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.#table = new RouteTable(options.routes ?? allRoutes);
    this.#server = makeServer(options, (request, response) => void this.#serve(request, response));
    // A client that has sent all and closed its half still gets its answer; see #watch for streams.
    Object.assign(this.#server, { httpAllowHalfOpen: true });
    this.#server.on("clientError", (error, socket) => {
      if (this.#busy.has(socket)) socket.destroy();
      else refuseGarbage(error, socket as Socket);
    });
  }

  /** Takes "unix:///run/shoal/docker.sock" or, with TLS, "tcp://address:port". Faults: the place is taken, or cannot be had so. */
  async listen(where: string): Promise<void> {
    const address = parseListenAddress(where);
    if (address.kind === "tcp" && this.#options.tls === undefined) {
      throw new Fault("unsupported", `cannot listen on ${where}: TCP without TLS is not served`);
    }
    if (address.kind === "unix") await clearSocketPath(address.path);
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (cause) =>
        reject(new Fault("internal", `cannot listen on ${where}: ${cause.message}`, { cause })),
      );
      this.#server.listen(address, resolve);
    });
    this.#server.removeAllListeners("error");
    this.#server.on("error", (error) =>
      this.#options.log.error("API server failed", { error: error.message }),
    );
    if (address.kind === "unix") await protectSocket(address.path, this.#options.group ?? "docker");
  }

  /** Serves until the signal aborts, then lets requests under way end. */
  async run(signal: AbortSignal): Promise<void> {
    await aborted(signal);
    await this.close();
  }

  /** Streams end at once, other requests have a few seconds. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#isStopping = true;
    for (const request of this.#open) request.abort(new Fault("unavailable", "the daemon stops"));
    const timer = this.#options.clock.after(DRAIN_MS, () => this.#server.closeAllConnections());
    await closed;
    timer.cancel();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { log, version } = this.#options;
    response.setHeader("Api-Version", MAX_API_VERSION);
    response.setHeader("Docker-Experimental", "false");
    response.setHeader("Ostype", "linux");
    response.setHeader("Server", `Shoal/${version} (linux)`);
    const signal = this.#watch(request, response);
    request.on("error", () => {});
    try {
      const answer = await this.#answer(request, signal);
      if (this.#isStopping) response.setHeader("Connection", "close");
      await respond(response, answer, signal);
    } catch (error) {
      response.destroy();
      log.warn("stream broke off", { path: request.url?.split("?")[0], error: messageOf(error) });
    }
  }

  async #answer(request: IncomingMessage, signal: AbortSignal): Promise<ApiResponse> {
    try {
      const [pathname = "/", ...rest] = (request.url ?? "/").replace(/^https?:\/\/[^/?]*/, "").split("?");
      const { version, path } = splitVersion(pathname);
      const found = this.#table.find(request.method ?? "", path);
      if (found === undefined) return PAGE_NOT_FOUND;
      const query = new URLSearchParams(rest.join("?"));
      const { clock, backends, looksOnly = false } = this.#options;
      if (looksOnly) checkLooksOnly(found.route, found.params);
      return await found.route.handle(
        {
          params: found.params,
          query,
          headers: request.headers,
          version,
          json: () => readJsonBody(request, clock),
          body: readBody(request, clock),
          signal,
          clock,
          looksOnly,
        },
        backends,
      );
    } catch (error) {
      return answerOf(error, this.#options.log);
    }
  }

  /** Tells when the client has left or the daemon stops; cuts off what a refused client still sends. */
  #watch(request: IncomingMessage, response: ServerResponse): AbortSignal {
    const { socket } = request;
    const left = new AbortController();
    const leave = () => left.abort(new Fault("unavailable", "the client has left"));
    this.#open.add(left);
    this.#busy.add(socket);
    socket.once("end", leave);
    socket.once("close", leave);
    response.once("finish", () => {
      if (!request.complete) this.#drop(request);
    });
    response.once("close", () => {
      this.#open.delete(left);
      this.#busy.delete(socket);
      socket.off("end", leave);
      socket.off("close", leave);
      if (!response.writableFinished) leave();
      if (this.#isStopping) this.#server.closeIdleConnections();
    });
    return left.signal;
  }

  /** Reads on without keeping, so that a client that only writes sees the answer, but not for long. */
  #drop(request: IncomingMessage): void {
    const timer: Timer = this.#options.clock.after(LINGER_MS, () => request.socket.destroy());
    request.once("end", () => timer.cancel());
    request.socket.once("close", () => timer.cancel());
    request.resume();
  }
}

function makeServer(
  { headersMs = HEADERS_MS, tls }: ApiServerOptions,
  serve: RequestListener,
): Server | TlsServer {
  // requestTimeout bounds whole bodies, and an image archive may take as long as it likes: body.ts has the bounds.
  const settings = {
    headersTimeout: headersMs,
    requestTimeout: 0,
    maxHeaderSize: MAX_HEADER_BYTES,
    connectionsCheckingInterval: 1_000,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  };
  if (tls === undefined) return createServer(settings, serve);
  const mutual = { requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.2" } as const;
  return createTlsServer({ ...settings, ...tls, ...mutual, handshakeTimeout: HANDSHAKE_MS }, serve);
}
