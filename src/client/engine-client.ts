import { request } from "node:http";
import { Fault, type FaultKind } from "../lib/index.ts";

const DEFAULT_SOCKET = "unix:///run/shoal/docker.sock";
/** An answer of the API comes in far less; a registry that is asked for a digest may take a while. */
const TIMEOUT_MS = 60_000;

const KINDS: Readonly<Record<number, FaultKind>> = {
  400: "invalid",
  403: "forbidden",
  404: "not-found",
  409: "conflict",
  501: "unsupported",
  503: "unavailable",
};

type Query = Readonly<Record<string, unknown>>;
type Headers = Readonly<Record<string, string>>;

interface Door {
  readonly socketPath?: string;
  readonly host?: string;
  readonly port?: string;
}

/** Speaks to one daemon, Shoal's or Docker's. */
export class EngineClient {
  readonly #where: string;
  readonly #door: Door;

  /** `unix:///path` or `tcp://host:port`, as DOCKER_HOST says it; undefined is this node's own socket. Fault: "invalid". */
  constructor(where: string = DEFAULT_SOCKET) {
    this.#where = where;
    this.#door = doorOf(where);
  }

  get<T>(path: string, query: Query = {}, headers: Headers = {}): Promise<T> {
    return this.#ask<T>("GET", `${path}${queryOf(query)}`, headers);
  }

  post<T>(path: string, body: unknown, query: Query = {}, headers: Headers = {}): Promise<T> {
    return this.#ask<T>("POST", `${path}${queryOf(query)}`, headers, body);
  }

  delete(path: string): Promise<void> {
    return this.#ask<void>("DELETE", path, {});
  }

  /** The daemon's words as a Fault of the answer's kind; "unavailable" when none answers. */
  #ask<T>(method: string, path: string, more: Headers, body?: unknown): Promise<T> {
    const sent = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const about = sent && { "content-type": "application/json", "content-length": sent.length };
    const headers = { ...more, ...about };
    return new Promise((resolve, reject) => {
      const refuse = (error: Error) =>
        reject(new Fault("unavailable", `cannot reach a daemon at ${this.#where}: ${error.message}`));
      const options = {
        ...this.#door,
        method,
        path,
        timeout: TIMEOUT_MS,
        headers,
      };
      const asking = request(options, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", refuse);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const { statusCode: status = 0 } = response;
          if (status < 300) resolve((text.trim() === "" ? undefined : JSON.parse(text)) as T);
          else reject(new Fault(KINDS[status] ?? "internal", reasonIn(text)));
        });
      });
      asking.on("timeout", () => asking.destroy(new Error("no answer")));
      asking.on("error", refuse);
      asking.end(sent);
    });
  }
}

function doorOf(where: string): Door {
  const socketPath = /^unix:\/\/(\/.+)$/.exec(where)?.[1];
  if (socketPath !== undefined) return { socketPath };
  const [, host, port] = /^(?:tcp|http):\/\/([^:/]+|\[[^\]]+\]):(\d+)\/?$/.exec(where) ?? [];
  if (host !== undefined && port !== undefined) return { host: host.replace(/^\[|\]$/g, ""), port };
  throw new Fault("invalid", `cannot ask ${where}: an address is unix:///path or tcp://host:port`);
}

function queryOf(query: Query): string {
  const words = Object.entries(query).map(
    ([name, value]) =>
      `${name}=${encodeURIComponent(typeof value === "object" ? JSON.stringify(value) : String(value))}`,
  );
  return words.length === 0 ? "" : `?${words.join("&")}`;
}

function reasonIn(text: string): string {
  try {
    return String((JSON.parse(text) as { message?: unknown }).message).replace(
      /^rpc error: code = \w+ desc = /,
      "",
    );
  } catch {
    return text.trim();
  }
}
