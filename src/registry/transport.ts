import { Readable } from "node:stream";
import { Agent, type Dispatcher, request } from "undici";
import { type Clock, Fault, type Log, messageOf, sleep } from "../lib/index.ts";

const CONNECT_TIMEOUT_MS = 10_000;
const HEADERS_TIMEOUT_MS = 30_000;
/** Longest silence in the middle of a body. */
const BODY_TIMEOUT_MS = 60_000;
const MAX_REDIRECTS = 5;
const ATTEMPTS = 4;
const FIRST_BACKOFF_MS = 200;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Manifests and configs; Docker's own limit for a manifest is the same. */
const MAX_DOCUMENT_BYTES = 4 << 20;
/** Faults of the wire that a second attempt may not see; a refused connection or unknown host is not one. */
const PASSING: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "EPIPE",
  "UND_ERR_SOCKET",
  "UND_ERR_BODY_TIMEOUT",
]);

/** A body too big for memory: read anew for each attempt. */
export interface BodySource {
  /** Bytes. */
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT";
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | BodySource;
  /** Plain http and unverified certificates are allowed. */
  readonly insecure: boolean;
  /** How often to try; 4 unless said. */
  readonly attempts?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly url: string;
  header(name: string): string | undefined;
  /** The body in pieces. */
  readonly body: Dispatcher.ResponseData["body"];
}

/** HTTP as registries need it: time-outs, retries with back-off, redirects that leak no secret. Owns the connections. */
export class Transport {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #strict = agent(true);
  readonly #lax = agent(false);

  constructor(parts: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /**
   * One exchange, tried again after 5xx answers and broken connections. The last 5xx is returned, not thrown.
   * Fault "unavailable" when the host is not to be reached, in the form of Go's net/http, which users know from Docker.
   */
  async send(of: HttpRequest): Promise<HttpResponse> {
    const { attempts = ATTEMPTS } = of;
    for (let attempt = 1; ; attempt++) {
      const result = await this.#follow(of).catch((error: unknown) => {
        if (of.signal?.aborted) throw of.signal.reason;
        if (error instanceof Fault) throw error;
        if (attempt >= attempts || !isPassing(error)) throw unreachable(of, error);
        return undefined;
      });
      if (result !== undefined && (result.status < 500 || attempt >= attempts)) return result;
      await result?.body.dump();
      this.#log.debug("registry request tried again", { url: bare(of.url), attempt, status: result?.status });
      await sleep(this.#clock, FIRST_BACKOFF_MS * 2 ** (attempt - 1), of.signal);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#strict.destroy(), this.#lax.destroy()]);
  }

  async #follow(of: HttpRequest): Promise<HttpResponse> {
    let { url, headers = {} } = of;
    for (let hops = 0; ; hops++) {
      const response = await this.#once({ ...of, url, headers });
      const location = REDIRECTS.has(response.status) ? response.header("location") : undefined;
      if (location === undefined || of.method === "POST" || of.method === "PUT") return response;
      await response.body.dump();
      if (hops === MAX_REDIRECTS) throw new Fault("unavailable", `stopped after ${MAX_REDIRECTS} redirects`);
      const next = new URL(location, url);
      if (next.protocol !== "https:" && !of.insecure) {
        throw new Fault("unavailable", `refused a redirect to plain http on ${next.host}`);
      }
      if (next.origin !== new URL(url).origin) headers = withoutSecrets(headers);
      url = next.href;
    }
  }

  async #once(of: HttpRequest): Promise<HttpResponse> {
    const { statusCode, headers, body } = await request(of.url, {
      method: of.method,
      headers: { "user-agent": "shoal", ...lengthOf(of.body), ...of.headers },
      dispatcher: of.insecure ? this.#lax : this.#strict,
      ...(of.body !== undefined && { body: isSource(of.body) ? Readable.from(of.body.open()) : of.body }),
      ...(of.signal !== undefined && { signal: of.signal }),
    });
    const header = (name: string): string | undefined => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    };
    return { status: statusCode, url: of.url, header, body };
  }
}

function isSource(body: HttpRequest["body"]): body is BodySource {
  return typeof body === "object" && "open" in body;
}

/** undici knows the length of all bodies but streams. */
function lengthOf(body: HttpRequest["body"]): Record<string, string> {
  return isSource(body) ? { "content-length": String(body.size) } : {};
}

function agent(rejectUnauthorized: boolean): Agent {
  return new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS, rejectUnauthorized },
    headersTimeout: HEADERS_TIMEOUT_MS,
    bodyTimeout: BODY_TIMEOUT_MS,
  });
}

/** A small body as bytes. Fault "invalid" past `limit` bytes, so that no registry fills our memory. */
export async function readBody(
  response: HttpResponse,
  limit: number = MAX_DOCUMENT_BYTES,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > limit)
      throw new Fault("invalid", `cannot read ${bare(response.url)}: it is over ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function isPassing(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && PASSING.has(code);
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : undefined;
}

/** Without query, which may carry a signature. */
export function bare(url: string): string {
  return url.split("?", 1)[0] ?? "";
}

export function unreachable(of: Pick<HttpRequest, "method" | "url">, error: unknown): Fault {
  const reason = messageOf(error) || codeOf(error) || "connection failed";
  const verb = of.method.slice(0, 1) + of.method.slice(1).toLowerCase();
  return new Fault("unavailable", `${verb} "${bare(of.url)}": ${reason}`, { cause: error });
}

function withoutSecrets(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !/^(authorization|cookie)$/i.test(name)),
  );
}
