import { type Clock, Fault, type Log } from "../lib/index.ts";
import type { Authorizer, AuthRequest } from "./authorizer.ts";
import type { Credentials } from "./credentials.ts";
import type { Endpoint, Endpoints } from "./endpoint.ts";
import type { Reference } from "./reference.ts";
import { loginFault, pushFault, readError, toFault } from "./registry-error.ts";
import type { HttpRequest, HttpResponse, Transport } from "./transport.ts";

/** How long a mirror that did not answer is left alone. */
const SHUN_MS = 30_000;

export type Intent = "pull" | "push" | "login";

/** distribution's docs/spec/auth/scope.md. */
const SCOPES: Readonly<Record<Intent, (path: string) => string>> = {
  pull: (path) => `repository:${path}:pull`,
  push: (path) => `repository:${path}:pull,push`,
  login: () => "",
};

const FAULTS: Readonly<Record<Intent, typeof toFault>> = {
  pull: toFault,
  push: pushFault,
  login: loginFault,
};

export interface SessionParts {
  readonly transport: Transport;
  readonly authorizer: Authorizer;
  readonly endpoints: Endpoints;
  readonly clock: Clock;
  readonly log: Log;
}

export interface RepositoryCall {
  readonly method: HttpRequest["method"];
  /** Below the repository: `manifests/latest`; or a whole URL, as a registry names the place for an upload. */
  readonly path: string;
  /** What the call is a part of; all but a pull goes to the registry itself, never to a mirror. */
  readonly intent?: Intent;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpRequest["body"];
  readonly credentials?: Credentials | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Asks for things of a repository: picks the endpoint and the scheme, authenticates, turns refusals into Faults. */
export class Session {
  readonly #parts: SessionParts;
  /** The base URL that answered, by the first of an endpoint's URLs. */
  readonly #bases = new Map<string, string>();
  readonly #shunnedUntil = new Map<string, number>();

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /**
   * A 2xx answer from the first endpoint that has one; otherwise the Fault of the last that could be reached:
   * behind a mirror, the registry itself may be out of reach for good.
   */
  async call(ref: Reference, of: RepositoryCall): Promise<HttpResponse> {
    const { endpoints, log } = this.#parts;
    const all = endpoints.of(ref).filter(({ mirror }) => !mirror || (of.intent ?? "pull") === "pull");
    let refusal: Fault | undefined;
    for (const [i, endpoint] of all.entries()) {
      const isLast = i === all.length - 1;
      if (!isLast && this.#isShunned(endpoint)) continue;
      try {
        return await this.#callEndpoint(ref, endpoint, of);
      } catch (error) {
        if (of.signal?.aborted || !(error instanceof Fault)) throw error;
        const isSilent = error.kind === "unavailable";
        if (isLast) throw isSilent ? (refusal ?? error) : error;
        if (isSilent) this.#shun(endpoint);
        else refusal = error;
        log.info("registry mirror passed over", { mirror: endpoint.urls[0], reason: error.message });
      }
    }
    throw new Fault("internal", `cannot find a registry for ${ref.domain}`);
  }

  async #callEndpoint(ref: Reference, endpoint: Endpoint, of: RepositoryCall): Promise<HttpResponse> {
    const { insecure, mirror } = endpoint;
    const { transport, authorizer } = this.#parts;
    const { intent = "pull" } = of;
    const base = await this.#baseOf(endpoint, of.signal);
    // A mirror is another party: the registry's credentials are not for it.
    const auth: AuthRequest = {
      base,
      insecure,
      scope: SCOPES[intent](ref.path),
      credentials: mirror ? undefined : of.credentials,
      signal: of.signal,
    };
    const url = urlOf(of.path, `${base}/v2/${ref.path}/`);
    // An upload may go to another host, which has its own leave in the URL.
    const isHome = new URL(url).origin === new URL(base).origin;
    const ask = (authorization: string | undefined): Promise<HttpResponse> =>
      transport.send({
        method: of.method,
        url,
        headers: { ...of.headers, ...(authorization !== undefined && isHome && { authorization }) },
        insecure,
        signal: of.signal,
        ...(of.body !== undefined && { body: of.body }),
      });
    let response = await ask(authorizer.known(auth));
    if (response.status === 401) {
      const authorization = await authorizer.answer(auth, response);
      if (authorization !== undefined) {
        await response.body.dump();
        response = await ask(authorization);
      }
    }
    if (response.status >= 200 && response.status < 300) return response;
    throw FAULTS[intent](ref, await readError(response));
  }

  /** The scheme that the host speaks; asked once for hosts that may speak either. */
  async #baseOf({ urls, insecure }: Endpoint, signal: AbortSignal | undefined): Promise<string> {
    const [first = "", ...others] = urls;
    const known = others.length === 0 ? first : this.#bases.get(first);
    if (known !== undefined) return known;
    for (const base of urls) {
      const isLast = base === urls[urls.length - 1];
      const probe = { method: "GET", url: `${base}/v2/`, insecure, attempts: 1, signal } as const;
      const answer = await this.#parts.transport.send(probe).catch((error: unknown) => {
        if (isLast || signal?.aborted) throw error;
        return undefined;
      });
      if (answer === undefined) continue;
      await answer.body.dump();
      this.#bases.set(first, base);
      return base;
    }
    return first;
  }

  #shun(endpoint: Endpoint): void {
    this.#shunnedUntil.set(endpoint.urls[0] ?? "", this.#parts.clock.now() + SHUN_MS);
  }

  #isShunned(endpoint: Endpoint): boolean {
    return (this.#shunnedUntil.get(endpoint.urls[0] ?? "") ?? 0) > this.#parts.clock.now();
  }
}

/** A plain path keeps its colons: `manifests/sha256:…` is no URL. */
function urlOf(path: string, base: string): string {
  return /^(https?:\/\/|\/)/.test(path) ? new URL(path, base).href : base + path;
}
