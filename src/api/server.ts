import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  ServerResponse,
} from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { aborted, type Clock, Fault, type Log, messageOf, type Timer } from "../lib/index.ts";
import type { Backends } from "./backends.ts";
import { chunksOf, readBody, readJsonBody } from "./body.ts";
import { answerOf, PAGE_NOT_FOUND } from "./errors.ts";
import { noticeLeaving } from "./leaving.ts";
import { parseListenAddress } from "./listen-address.ts";
import { checkLooksOnly } from "./look-only.ts";
import { refuseGarbage } from "./refuse.ts";
import { respond } from "./respond.ts";
import type { ApiRequest, ApiResponse, Route } from "./route.ts";
import { RouteTable } from "./route-table.ts";
import { allRoutes } from "./routes/index.ts";
import { clearSocketPath, protectSocket } from "./socket-file.ts";
import { UpgradedConnection } from "./upgraded.ts";
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
/** How long one who fell too far behind may still take what waits for him. */
const LET_GO_MS = 60_000;
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
    this.#server.on("upgrade", (request, socket, head) => void this.#serveUpgrade(request, socket, head));
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

  /** Docker's headers of every answer. */
  #headers(): Readonly<Record<string, string>> {
    return {
      ...{ "Api-Version": MAX_API_VERSION, "Docker-Experimental": "false", Ostype: "linux" },
      Server: `Shoal/${this.#options.version} (linux)`,
    };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { log } = this.#options;
    for (const [name, value] of Object.entries(this.#headers())) response.setHeader(name, value);
    const signal = this.#watch(request, response);
    request.on("error", () => {});
    try {
      const { clock } = this.#options;
      const json = () => readJsonBody(request, chunksOf(request), clock);
      const letGo = () => this.#cutIn(LET_GO_MS, request.socket);
      const answer = await this.#answer(request, { json, body: readBody(request, clock), signal, letGo });
      if (this.#isStopping) response.setHeader("Connection", "close");
      await respond(response, answer, signal);
    } catch (error) {
      this.#breakOff(response);
      log.warn("stream broke off", { path: request.url?.split("?")[0], error: messageOf(error) });
    }
  }

  /** A client that wants the connection for itself: it gets it where the route gives it, and elsewhere an ordinary answer. */
  async #serveUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { log, clock } = this.#options;
    const left = new AbortController();
    const leave = () => left.abort(new Fault("unavailable", "the client has left"));
    this.#open.add(left);
    socket.on("error", leave);
    socket.once("close", leave);
    const connection = new UpgradedConnection(socket, head);
    const body = connection.take(Number(request.headers["content-length"] ?? 0) || 0);
    try {
      const json = () => readJsonBody(request, body, clock);
      const letGo = () => this.#cutIn(LET_GO_MS, socket);
      const answer = await this.#answer(request, { json, body, signal: left.signal, letGo });
      if (answer.kind !== "hijack") {
        // What it still says is not for anybody; that it leaves is.
        void connection.drain().then(leave);
        return await this.#refuseUpgrade(request, socket, answer, left.signal);
      }
      socket.write(upgradeHead(answer.contentType, this.#headers()));
      const stop = noticeLeaving(socket, clock);
      await answer
        .serve({ input: connection.input(), write: (chunk) => connection.write(chunk) })
        .finally(stop);
      this.#hangUp(socket as Socket);
    } catch (error) {
      socket.destroy();
      if (!left.signal.aborted)
        log.warn("stream broke off", { path: request.url?.split("?")[0], error: messageOf(error) });
    } finally {
      this.#open.delete(left);
    }
  }

  /** What is sent arrives; a client that then keeps its half open is not waited for long, and at the daemon's end not at all. */
  #hangUp(socket: Socket): void {
    if (this.#isStopping) {
      socket.destroySoon();
      return;
    }
    this.#cutIn(LINGER_MS, socket);
    socket.end();
    socket.resume();
  }

  /** Whatever is still under way then is lost. */
  #cutIn(ms: number, socket: Duplex): void {
    const timer = this.#options.clock.after(ms, () => socket.destroy());
    socket.once("close", () => timer.cancel());
  }

  /** The client gets what was written, if it takes it soon, and no proper end: it sees that this was not all. */
  #breakOff(response: ServerResponse): void {
    const { socket } = response;
    if (socket === null || !response.headersSent) {
      response.destroy();
      return;
    }
    this.#cutIn(LINGER_MS, socket);
    socket.destroySoon();
  }

  async #refuseUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    answer: ApiResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const response = new ServerResponse(request);
    response.assignSocket(socket as Socket);
    for (const [name, value] of Object.entries(this.#headers())) response.setHeader(name, value);
    response.shouldKeepAlive = false;
    response.once("finish", () => this.#hangUp(socket as Socket));
    await respond(response, answer, signal);
  }

  async #answer(
    request: IncomingMessage,
    own: Pick<ApiRequest, "json" | "body" | "signal" | "letGo">,
  ): Promise<ApiResponse> {
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
          ...own,
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
    const { socket } = request;
    const timer: Timer = this.#options.clock.after(LINGER_MS, () => socket.destroy());
    // Many requests may come by one connection: nothing of this one stays with it.
    const done = () => {
      timer.cancel();
      socket.off("close", done);
    };
    request.once("end", done);
    socket.once("close", done);
    request.resume();
  }
}

/** moby api/server/router/container/exec.go: the answer to `Upgrade: tcp`. */
function upgradeHead(contentType: string, headers: Readonly<Record<string, string>>): string {
  const all = { ...headers, "Content-Type": contentType, Connection: "Upgrade", Upgrade: "tcp" };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return ["HTTP/1.1 101 UPGRADED", ...lines, "", ""].join("\r\n");
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
  // Plain servers of Node leave a connection open whose client has ended its half; those of TLS are to be asked.
  const tlsSettings = { allowHalfOpen: true, handshakeTimeout: HANDSHAKE_MS };
  return createTlsServer({ ...settings, ...tls, ...mutual, ...tlsSettings }, serve);
}
