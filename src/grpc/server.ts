import type { Duplex } from "node:stream";
import {
  create,
  type DescMethod,
  type DescMethodStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type handleBidiStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from "@grpc/grpc-js";
import { MESSAGE_LIMIT } from "./client.ts";
import { statusOf } from "./fault-status.ts";

/** Answers one request. `peer` is "address:port" of the connection. */
export type UnaryHandler<I extends DescMethod["input"], O extends DescMethod["output"]> = (
  request: MessageShape<I>,
  peer: string,
) => Promise<MessageInitShape<O>>;

/** Serves one call of streams both ways: reads what it emits, writes answers, ends it. */
export type BidiHandler<I extends DescMethod["input"], O extends DescMethod["output"]> = (
  call: ServerDuplexStream<MessageShape<I>, MessageShape<O>>,
  peer: string,
) => void;

export interface GrpcServerOptions {
  /** Pings on quiet connections, and how long their answer may take. */
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
}

/** Typed methods, served on connections that somebody else accepted and encrypted. */
export class GrpcServer {
  readonly #server: Server;
  readonly #injector: ReturnType<Server["createConnectionInjector"]>;

  constructor(options: GrpcServerOptions) {
    this.#server = new Server({
      "grpc.max_receive_message_length": MESSAGE_LIMIT,
      "grpc.max_send_message_length": MESSAGE_LIMIT,
      "grpc.keepalive_time_ms": options.keepaliveMs,
      "grpc.keepalive_timeout_ms": options.keepaliveTimeoutMs,
      // A caller holds one stream and makes a call now and then.
      "grpc.max_concurrent_streams": 100,
      "grpc.enable_channelz": 0,
    });
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  unary<I extends DescMethodUnary["input"], O extends DescMethodUnary["output"]>(
    method: DescMethodUnary<I, O>,
    handler: UnaryHandler<I, O>,
  ): void {
    const handle: handleUnaryCall<MessageShape<I>, MessageShape<O>> = (call, callback) => {
      handler(call.request, call.getPeer()).then(
        (answer) => callback(null, create(method.output, answer)),
        (error: unknown) => callback(statusOf(error)),
      );
    };
    this.#register(method, handle as handleUnaryCall<unknown, unknown>, "unary");
  }

  bidi<I extends DescMethod["input"], O extends DescMethod["output"]>(
    method: DescMethodStreaming<I, O>,
    handler: BidiHandler<I, O>,
  ): void {
    const handle: handleBidiStreamingCall<MessageShape<I>, MessageShape<O>> = (call) => {
      handler(call, call.getPeer());
    };
    this.#register(method, handle as handleBidiStreamingCall<unknown, unknown>, "bidi");
  }

  /** Speaks gRPC on this connection from now on. */
  serve(connection: Duplex): void {
    this.#injector.injectConnection(connection);
  }

  /** Takes no more calls; resolves once those in progress have ended. */
  shutdown(): Promise<void> {
    return new Promise((resolve) => this.#server.tryShutdown(() => resolve()));
  }

  /** Ends all calls and connections at once. */
  destroy(): void {
    this.#server.forceShutdown();
  }

  #register(
    method: DescMethod,
    handle: handleUnaryCall<unknown, unknown> | handleBidiStreamingCall<unknown, unknown>,
    type: "unary" | "bidi",
  ): void {
    this.#server.register(
      `/${method.parent.typeName}/${method.name}`,
      handle,
      (message) => Buffer.from(toBinary(method.output, message as MessageShape<typeof method.output>)),
      (bytes) => fromBinary(method.input, bytes),
      type,
    );
  }
}
