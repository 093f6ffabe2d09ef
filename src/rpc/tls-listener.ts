import { constants } from "node:crypto";
import type { Socket } from "node:net";
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from "node:tls";
import type { NodeIdentity } from "../identity/index.ts";
import { Fault, type Log, messageOf } from "../lib/index.ts";

export interface TlsListenerParts {
  /** A connection whose TLS is up; who is at its other end has not been judged. */
  onConnection(socket: TLSSocket): void;
  readonly log: Log;
}

/** A connection that has not finished its TLS after this long is dropped. */
const HANDSHAKE_MS = 10_000;
/** Connections that may be about it at once. One more drops the one that has been at it longest: honest ones are quick. */
const MAX_HANDSHAKES = 256;

/**
 * Accepts TLS connections as this node. Certificates are asked for but not insisted on: nodes that want to join have
 * none yet. A new identity is for new connections; those that are open go on.
 */
export class TlsListener {
  readonly #server: Server;
  readonly #log: Log;
  /** By the other end's address and port, oldest first. */
  readonly #handshakes = new Map<string, Socket>();

  constructor(identity: NodeIdentity, { onConnection, log }: TlsListenerParts) {
    this.#log = log;
    this.#server = createServer(
      {
        ...contextOf(identity),
        requestCert: true,
        rejectUnauthorized: false,
        ALPNProtocols: ["h2"],
        handshakeTimeout: HANDSHAKE_MS,
      },
      (socket) => {
        this.#handshakes.delete(peerOf(socket));
        onConnection(socket);
      },
    );
    this.#server.on("connection", (socket: Socket) => this.#begin(socket));
    this.#server.on("tlsClientError", (error) => {
      log.debug("connection without TLS dropped", { error: messageOf(error) });
    });
  }

  /** Starts to listen; resolves to the port. Fault "exists" when it is taken. */
  listen({ host, port }: { readonly host: string; readonly port: number }): Promise<number> {
    return new Promise((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException) => reject(listenFault(host, port, error));
      this.#server.once("error", onError);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", onError);
        this.#server.on("error", (error) => this.#log.warn("listener", { error: messageOf(error) }));
        const bound = this.#server.address();
        resolve(typeof bound === "object" && bound !== null ? bound.port : port);
      });
    });
  }

  #begin(socket: Socket): void {
    const peer = peerOf(socket);
    this.#handshakes.set(peer, socket);
    socket.once("close", () => {
      if (this.#handshakes.get(peer) === socket) this.#handshakes.delete(peer);
    });
    const [oldest] = this.#handshakes;
    if (this.#handshakes.size <= MAX_HANDSHAKES || oldest === undefined) return;
    this.#handshakes.delete(oldest[0]);
    oldest[1].destroy();
  }

  setIdentity(identity: NodeIdentity): void {
    this.#server.setSecureContext(contextOf(identity));
  }

  /** Accepts no more; open connections stay. */
  close(): void {
    this.#server.close();
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress}:${remotePort}`;
}

function contextOf({ certificatePem, keyPem, rootPem }: NodeIdentity): SecureContextOptions {
  return {
    cert: certificatePem,
    key: keyPem,
    ca: rootPem,
    minVersion: "TLSv1.2",
    // Who resumes a session is not asked for his certificate again.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

const LISTEN_REASONS: Readonly<Record<string, readonly ["exists" | "invalid" | "forbidden", string]>> = {
  EADDRINUSE: ["exists", "the port is taken by another program"],
  EADDRNOTAVAIL: ["invalid", "this machine does not have that address"],
  EACCES: ["forbidden", "this user may not use that port"],
};

function listenFault(host: string, port: number, error: NodeJS.ErrnoException): Fault {
  const [kind, reason] = LISTEN_REASONS[error.code ?? ""] ?? ["internal" as const, error.message];
  return new Fault(kind, `cannot listen on ${host}:${port} for other nodes: ${reason}`, { cause: error });
}
