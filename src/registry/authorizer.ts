import { createHash } from "node:crypto";
import { type Clock, Fault } from "../lib/index.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { Credentials } from "./credentials.ts";
import { readError } from "./registry-error.ts";
import { bare, type HttpResponse, readBody, type Transport } from "./transport.ts";

/** What the token specification says a token without `expires_in` lives. */
const DEFAULT_LIFE_MS = 60_000;
/** A token is not used in its last seconds, so that it does not die on the way. */
const MARGIN_MS = 5_000;
const CLIENT_ID = "shoal";

/** Who asks for what, where. */
export interface AuthRequest {
  /** Base URL of the registry. */
  readonly base: string;
  readonly insecure: boolean;
  /** Empty: none, for credentials alone. */
  readonly scope: string;
  readonly credentials?: Credentials | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Grant {
  readonly header: string;
  readonly until: number;
}

/**
 * Gives Authorization headers and keeps tokens until they expire.
 * Rests on distribution's token authentication specification (docs/spec/auth: token.md, oauth.md).
 */
export class Authorizer {
  readonly #transport: Transport;
  readonly #clock: Clock;
  readonly #grants = new Map<string, Grant>();

  constructor(parts: { readonly transport: Transport; readonly clock: Clock }) {
    this.#transport = parts.transport;
    this.#clock = parts.clock;
  }

  /** The header that worked last time for the same asker and scope, if it still lives. */
  known(of: AuthRequest): string | undefined {
    if (of.credentials?.registryToken !== undefined) return `Bearer ${of.credentials.registryToken}`;
    const grant = this.#grants.get(keyOf(of));
    return grant !== undefined && grant.until > this.#clock.now() ? grant.header : undefined;
  }

  /** Answers a 401. Undefined when there is nothing new to say; Fault "unauthorized" when credentials are needed or refused. */
  async answer(of: AuthRequest, response: HttpResponse): Promise<string | undefined> {
    const challenge = parseChallenges(response.header("www-authenticate") ?? "")[0];
    if (challenge === undefined || of.credentials?.registryToken !== undefined) return undefined;
    const grant =
      challenge.scheme === "basic" ? basicGrant(of, response.url) : await this.#token(of, challenge);
    const now = this.#clock.now();
    for (const [key, old] of this.#grants) if (old.until <= now) this.#grants.delete(key);
    this.#grants.set(keyOf(of), grant);
    return grant.header;
  }

  async #token(of: AuthRequest, challenge: Challenge & { scheme: "bearer" }): Promise<Grant> {
    const realm = realmOf(of, challenge);
    const response = await this.#transport.send({
      ...tokenRequest(realm, challenge, of),
      insecure: of.insecure,
      signal: of.signal,
    });
    if (response.status !== 200) {
      const { message } = await readError(response);
      const kind = response.status === 401 || response.status === 403 ? "unauthorized" : "unavailable";
      throw new Fault(
        kind,
        `Get "${bare(realm.href)}": ${kind}: ${message || "incorrect username or password"}`,
      );
    }
    return toGrant(await readBody(response), realm, this.#clock.now());
  }
}

function realmOf(of: AuthRequest, { realm }: { readonly realm: string }): URL {
  const url = URL.canParse(realm, of.base) ? new URL(realm, of.base) : undefined;
  if (url === undefined)
    throw new Fault("unauthorized", `cannot authenticate to ${of.base}: its realm is no URL`);
  if (url.protocol !== "https:" && !of.insecure) {
    throw new Fault("unauthorized", `cannot authenticate to ${of.base}: its token server is on plain http`);
  }
  return url;
}

function tokenRequest(
  realm: URL,
  { service, scope }: Challenge & { scheme: "bearer" },
  of: AuthRequest,
): { method: "GET" | "POST"; url: string; headers: Record<string, string>; body?: string } {
  const { username, identityToken } = of.credentials ?? {};
  const asked = scope ?? of.scope;
  const wanted = { ...(service && { service }), ...(asked !== "" && { scope: asked }) };
  if (identityToken !== undefined) {
    const form = {
      grant_type: "refresh_token",
      refresh_token: identityToken,
      client_id: CLIENT_ID,
      ...wanted,
    };
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    return { method: "POST", url: realm.href, headers, body: new URLSearchParams(form).toString() };
  }
  const url = new URL(realm);
  for (const [key, value] of Object.entries(wanted)) url.searchParams.set(key, value);
  if (username === undefined) return { method: "GET", url: url.href, headers: {} };
  url.searchParams.set("account", username);
  return { method: "GET", url: url.href, headers: { authorization: basic(of.credentials ?? {}) } };
}

function toGrant(bytes: Uint8Array, realm: URL, now: number): Grant {
  try {
    const json = JSON.parse(Buffer.from(bytes).toString()) as Record<string, unknown>;
    const token = json["token"] ?? json["access_token"];
    const seconds = Number(json["expires_in"]);
    const lifeMs = seconds > 0 ? seconds * 1000 : DEFAULT_LIFE_MS;
    if (typeof token === "string" && token !== "") {
      return { header: `Bearer ${token}`, until: now + Math.max(0, lifeMs - MARGIN_MS) };
    }
  } catch {
    // Said below: an answer that is no JSON has no token either.
  }
  throw new Fault("unauthorized", `Get "${bare(realm.href)}": the token server gave no token`);
}

function basicGrant({ credentials }: AuthRequest, url: string): Grant {
  if (credentials?.username === undefined) {
    throw new Fault("unauthorized", `Get "${bare(url)}": no basic auth credentials`);
  }
  return { header: basic(credentials), until: Number.POSITIVE_INFINITY };
}

function basic({ username = "", password = "" }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** Askers are told apart by a hash, so that no secret is a map key. */
function keyOf({ base, scope, credentials }: AuthRequest): string {
  const asker = createHash("sha256")
    .update(JSON.stringify(credentials ?? {}))
    .digest("hex");
  return `${asker} ${base} ${scope}`;
}
