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
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  Metadata,
} from "@grpc/grpc-js";
import { Fault } from "../lib/index.ts";
import { faultOf } from "./fault-status.ts";

/** Messages of any size that a cluster's store may hold in one commit. */
export const MESSAGE_LIMIT: number = 64 * 2 ** 20;

export interface CallSettings {
  /** Milliseconds until the call fails with "timeout". */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

export interface GrpcTarget {
  /** grpc-js's target: "unix:///run/x.sock" or "host:port". */
  readonly target: string;
  readonly credentials: ChannelCredentials;
  /** Sent with every call. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly options?: ChannelOptions;
  /** Who is spoken to, for errors: "etcd". */
  readonly name: string;
  /** Errors of calls carry the server's words alone, without name and method. */
  readonly verbatim?: boolean;
}

/** One channel to a server, and typed calls on it. */
export class GrpcClient {
  readonly #client: Client;
  readonly #target: GrpcTarget;
  readonly #metadata = new Metadata();

  constructor(target: GrpcTarget) {
    this.#target = target;
    this.#client = new Client(target.target, target.credentials, {
      "grpc.max_receive_message_length": MESSAGE_LIMIT,
      "grpc.max_send_message_length": MESSAGE_LIMIT,
      // A proxy of the environment is not meant for the cluster's own traffic.
      "grpc.enable_http_proxy": 0,
      "grpc.initial_reconnect_backoff_ms": 50,
      "grpc.max_reconnect_backoff_ms": 1_000,
      ...target.options,
    });
    for (const [key, value] of Object.entries(target.metadata ?? {})) this.#metadata.set(key, value);
  }

  /** One request, one answer. Faults by the server's status, with its words. */
  unary<I extends DescMethodUnary["input"], O extends DescMethodUnary["output"]>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    settings: CallSettings = {},
  ): Promise<MessageShape<O>> {
    const { path, encode, decode } = wire(method);
    const stop = () => call.cancel();
    let call: ClientUnaryCall;
    return new Promise((resolve, reject) => {
      call = this.#client.makeUnaryRequest(
        path,
        encode as (m: MessageShape<I>) => Buffer,
        decode as (b: Buffer) => MessageShape<O>,
        create(method.input, request),
        this.#metadata,
        this.#callOptions(settings),
        (error, answer) => {
          settings.signal?.removeEventListener("abort", stop);
          if (error) reject(faultOf(error, this.#target.verbatim ? undefined : this.#what(method)));
          else if (answer === undefined) reject(new Fault("internal", `${this.#what(method)}: no answer`));
          else resolve(answer);
        },
      );
      settings.signal?.addEventListener("abort", stop, { once: true });
      if (settings.signal?.aborted) stop();
    });
  }

  /** One request, a stream of answers. */
  serverStream<I extends DescMethod["input"], O extends DescMethod["output"]>(
    method: DescMethodStreaming<I, O>,
    request: MessageInitShape<I>,
  ): ClientReadableStream<MessageShape<O>> {
    const { path, encode, decode } = wire(method);
    return this.#client.makeServerStreamRequest(
      path,
      encode as (m: MessageShape<I>) => Buffer,
      decode as (b: Buffer) => MessageShape<O>,
      create(method.input, request),
      this.#metadata,
    );
  }

  /** Streams both ways. */
  bidi<I extends DescMethod["input"], O extends DescMethod["output"]>(
    method: DescMethodStreaming<I, O>,
  ): ClientDuplexStream<MessageShape<I>, MessageShape<O>> {
    const { path, encode, decode } = wire(method);
    return this.#client.makeBidiStreamRequest(
      path,
      encode as (m: MessageShape<I>) => Buffer,
      decode as (b: Buffer) => MessageShape<O>,
      this.#metadata,
    );
  }

  /** Resolves once the channel is up; Fault "unavailable" when it is not within `ms`. */
  ready(ms: number, now: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(now + ms, (error) => {
        if (error)
          reject(new Fault("unavailable", `cannot reach ${this.#target.name}: no answer within ${ms} ms`));
        else resolve();
      });
    });
  }

  close(): void {
    this.#client.close();
  }

  #what(method: DescMethod): string {
    return `${this.#target.name} ${method.name}`;
  }

  #callOptions({ deadlineMs }: CallSettings): CallOptions {
    return deadlineMs === undefined
      ? {}
      : { deadline: performance.timeOrigin + performance.now() + deadlineMs };
  }
}

/** How a method's messages travel: protobuf in, protobuf out. */
function wire(method: DescMethod): {
  path: string;
  encode(message: never): Buffer;
  decode(bytes: Buffer): unknown;
} {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    encode: (message) => Buffer.from(toBinary(method.input, message)),
    decode: (bytes) => fromBinary(method.output, bytes),
  };
}
