import type { IncomingHttpHeaders } from "node:http";
import { type Clock, Fault } from "../lib/index.ts";
import type { Backends } from "./backends.ts";

/** One row of the API's table: a method, a path without its version, and what answers it. */
export interface Route {
  readonly method: "GET" | "POST" | "DELETE" | "HEAD" | "PUT";
  /** find-my-way's words: "/services/:id/update"; "/images/*" takes the rest of the path as `params["*"]`. */
  readonly path: string;
  /** Refusals are Faults; api/errors.ts turns them into statuses. */
  readonly handle: (request: ApiRequest, backends: Backends) => Promise<ApiResponse>;
}

export interface ApiRequest {
  /** Parts of the path, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The API version in the path, or the newest one: "1.51". */
  readonly version: string;
  /** The body as JSON, undefined when there is none. Fault "invalid" on garbage or more than 2 MB. */
  json(): Promise<unknown>;
  /** The body as it comes in, of any length. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Aborts when the client has left or the daemon stops. */
  readonly signal: AbortSignal;
  /** Lets a client go who does not take what there is for him: it is cut off a minute from now. */
  readonly letGo: () => void;
  readonly clock: Clock;
  /** Came in by an address for tools that only look: keys are not for it. */
  readonly looksOnly: boolean;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export type ApiResponse =
  | (Answer & { readonly kind: "json"; readonly body: unknown })
  | (Answer & { readonly kind: "json-list"; readonly items: readonly string[] })
  | (Answer & { readonly kind: "empty" })
  | (Answer & { readonly kind: "text"; readonly body: string })
  | (Answer & {
      readonly kind: "stream";
      readonly contentType: string;
      /** Read only as fast as the client takes it, each chunk sent at once; returned early when the client leaves. */
      readonly chunks: AsyncIterable<Uint8Array>;
    })
  | (Answer & {
      readonly kind: "hijack";
      readonly contentType: string;
      /** Has the connection for itself once the head is sent; when it settles the connection ends. */
      readonly serve: (connection: Hijacked) => Promise<void>;
    });

/** A connection that is a stream in both directions (Docker's attach and exec). */
export interface Hijacked {
  /** What the client sends; ends when it closes its half. */
  readonly input: AsyncIterable<Uint8Array>;
  /** A promise when the client has to catch up first. */
  write(chunk: Uint8Array): Promise<void> | undefined;
}

export function json(status: number, body: unknown): ApiResponse {
  return { kind: "json", status, body };
}

/** A list whose items are JSON already. */
export function jsonList(status: number, items: readonly string[]): ApiResponse {
  return { kind: "json-list", status, items };
}

export function empty(status: number): ApiResponse {
  return { kind: "empty", status };
}

export function text(status: number, body: string, headers?: Readonly<Record<string, string>>): ApiResponse {
  return { kind: "text", status, body, ...(headers && { headers }) };
}

export function stream(contentType: string, chunks: AsyncIterable<Uint8Array>): ApiResponse {
  return { kind: "stream", status: 200, contentType, chunks };
}

export function hijack(contentType: string, serve: (connection: Hijacked) => Promise<void>): ApiResponse {
  return { kind: "hijack", status: 200, contentType, serve };
}

/** A part of the path that the route's pattern names. */
export function param(request: ApiRequest, name: string): string {
  const value = request.params[name];
  if (value === undefined) throw new Fault("internal", `cannot read the request: its path has no ${name}`);
  return value;
}

/** A flag of the query, in Docker's words: absent, empty, 0, no, false and none are false; all else is true. */
export function flag(query: URLSearchParams, name: string): boolean {
  const value = (query.get(name) ?? "").trim().toLowerCase();
  return !["", "0", "no", "false", "none"].includes(value);
}
