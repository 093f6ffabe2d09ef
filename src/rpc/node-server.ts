import type { TLSSocket } from "node:tls";
import type {
  DescMethod,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { Metadata, type ServerDuplexStream } from "@grpc/grpc-js";
import { GrpcServer, statusOf } from "../grpc/index.ts";
import type { CertificateFacts, NodeIdentity } from "../identity/index.ts";
import { type Clock, Fault, type Log, sleep } from "../lib/index.ts";
import type { NodeRole } from "../model/index.ts";
import { admit, type Caller, callerOf } from "./access.ts";
import { KEEPALIVE } from "./keepalive.ts";
import type { PeerAddress } from "./services.ts";
import { Strangers } from "./strangers.ts";
import { TlsListener } from "./tls-listener.ts";

export interface NodeServerParts {
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  readonly log: Log;
}

/** A node that called, and from where. */
export type CallingNode = CertificateFacts & PeerAddress;

/** An open connection and who is at its other end. */
interface Connection extends PeerAddress {
  readonly socket: TLSSocket;
  readonly caller: Caller;
}

/** How long calls in progress have to end when the server closes. */
const CLOSE_MS = 2_000;

/** gRPC for other nodes over mutual TLS. Every method says who may call it; nothing is called by anybody else. */
export class NodeServer {
  readonly #parts: NodeServerParts;
  readonly #grpc: GrpcServer = new GrpcServer(KEEPALIVE);
  readonly #listener: TlsListener;
  /** By "address:port" of the other end, which is how a call names its connection. */
  readonly #connections = new Map<string, Connection>();
  readonly #strangers: Strangers;
  #identity: NodeIdentity;

  constructor(parts: NodeServerParts) {
    this.#parts = parts;
    this.#identity = parts.identity;
    this.#strangers = new Strangers(parts.clock);
    this.#listener = new TlsListener(parts.identity, {
      onConnection: (socket) => this.#accept(socket),
      log: parts.log,
    });
  }

  /** A method that anybody may call. */
  openUnary<I extends DescMethodUnary["input"], O extends DescMethodUnary["output"]>(
    method: DescMethodUnary<I, O>,
    handler: (request: MessageShape<I>, peer: PeerAddress) => Promise<MessageInitShape<O>>,
  ): void {
    this.#grpc.unary(method, async (request, peer) => handler(request, this.#connection(peer)));
  }

  /** A method for nodes of these roles. */
  unary<I extends DescMethodUnary["input"], O extends DescMethodUnary["output"]>(
    method: DescMethodUnary<I, O>,
    callers: readonly NodeRole[],
    handler: (request: MessageShape<I>, node: CallingNode) => Promise<MessageInitShape<O>>,
  ): void {
    this.#grpc.unary(method, async (request, peer) => handler(request, this.#admit(method, callers, peer)));
  }

  /** A method of streams both ways for nodes of these roles. `disconnect` cuts the connection it came on. */
  bidi<I extends DescMethod["input"], O extends DescMethod["output"]>(
    method: DescMethodStreaming<I, O>,
    callers: readonly NodeRole[],
    handler: (
      call: ServerDuplexStream<MessageShape<I>, MessageShape<O>>,
      node: CallingNode,
      disconnect: () => void,
    ) => void,
  ): void {
    this.#grpc.bidi(method, (call, peer) => {
      try {
        const node = this.#admit(method, callers, peer);
        // Tells the caller that it is in.
        call.sendMetadata(new Metadata());
        handler(call, node, () => this.#connections.get(peer)?.socket.destroy());
      } catch (error) {
        call.emit("error", statusOf(error));
      }
    });
  }

  listen(where: { readonly host: string; readonly port: number }): Promise<number> {
    return this.#listener.listen(where);
  }

  /** Who this node is on new connections; open ones go on. */
  setIdentity(identity: NodeIdentity): void {
    this.#identity = identity;
    this.#listener.setIdentity(identity);
  }

  /** Accepts nothing more, gives calls in progress a moment to end, then cuts every connection. */
  async close(): Promise<void> {
    this.#listener.close();
    const late = new AbortController();
    const grace = sleep(this.#parts.clock, CLOSE_MS, late.signal).catch(() => undefined);
    await Promise.race([this.#grpc.shutdown(), grace]);
    late.abort();
    this.#grpc.destroy();
    for (const { socket } of this.#connections.values()) socket.destroy();
  }

  #accept(socket: TLSSocket): void {
    socket.on("error", (error) => this.#parts.log.debug("connection broke", { error: error.message }));
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined || remotePort === undefined) {
      socket.destroy();
      return;
    }
    const peer = `${remoteAddress}:${remotePort}`;
    const caller = callerOf(socket.getPeerX509Certificate()?.raw, this.#identity, this.#parts.clock.now());
    this.#connections.set(peer, { socket, caller, address: plainAddress(remoteAddress) });
    socket.once("close", () => this.#connections.delete(peer));
    if (caller.kind !== "node") this.#strangers.watch(socket);
    if (!socket.destroyed) this.#grpc.serve(socket);
  }

  #admit(method: DescMethod, callers: readonly NodeRole[], peer: string): CallingNode {
    const { caller, address } = this.#connection(peer);
    return { ...admit(method.name, callers, caller, this.#parts.clock.now()), address };
  }

  #connection(peer: string): Connection {
    const connection = this.#connections.get(peer);
    if (connection === undefined) throw new Fault("unavailable", "the connection is closed");
    return connection;
  }
}

/** IPv4 as IPv4, also on a socket for both. */
function plainAddress(address: string): string {
  return address.startsWith("::ffff:") ? address.slice("::ffff:".length) : address;
}
