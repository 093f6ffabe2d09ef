import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Digest, digestOf } from "./digest.ts";
import { type Descriptor, MEDIA_TYPES } from "./manifest.ts";
import type { Platform } from "./platform.ts";

/** An exchange the fake is about to answer; true when the fault has answered instead. */
export type FakeFault = (request: IncomingMessage, response: ServerResponse) => boolean;

/** Who may pull: anybody, `user:password`, or the bearer of a token. */
export type FakeAuth =
  | { readonly kind: "none" }
  | { readonly kind: "basic"; readonly user: string }
  | { readonly kind: "token"; readonly realm: string; readonly token: string };

/** A registry in memory that speaks real HTTP on loopback: manifests, blobs, ranges, challenges, planted faults. */
export class FakeRegistry {
  readonly seen: {
    method: string;
    url: string;
    authorization: string | undefined;
    range: string | undefined;
  }[] = [];
  auth: FakeAuth = { kind: "none" };
  fault: FakeFault = () => false;
  readonly #blobs = new Map<Digest, Uint8Array>();
  readonly #manifests = new Map<string, { mediaType: string; bytes: Uint8Array }>();
  readonly #server: Server = createServer((request, response) => this.#answer(request, response));

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  addBlob(bytes: Uint8Array, mediaType: string): Descriptor {
    const digest = digestOf(bytes);
    this.#blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  /** Puts a document under its digest, and under `tag` when given. */
  addManifest(repository: string, document: object, mediaType: string, tag?: string): Descriptor {
    const bytes = Buffer.from(JSON.stringify(document));
    const digest = digestOf(bytes);
    for (const name of [digest, tag]) this.#manifests.set(`${repository}/${name}`, { mediaType, bytes });
    return { mediaType, digest, size: bytes.length };
  }

  /** A one-layer image whose layer is `layer`; the caller need not know about configs. */
  addImage(repository: string, platform: Platform, layer: Uint8Array, tag?: string): Descriptor {
    const config = { ...platform, config: {}, rootfs: { type: "layers", diff_ids: [digestOf(layer)] } };
    const document = {
      schemaVersion: 2,
      config: this.addBlob(Buffer.from(JSON.stringify(config)), MEDIA_TYPES.ociConfig),
      layers: [this.addBlob(layer, MEDIA_TYPES.ociLayer)],
    };
    return { ...this.addManifest(repository, document, MEDIA_TYPES.ociManifest, tag), platform };
  }

  addIndex(repository: string, manifests: readonly Descriptor[], tag: string): Descriptor {
    return this.addManifest(repository, { schemaVersion: 2, manifests }, MEDIA_TYPES.ociIndex, tag);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method = "", url = "", headers } = request;
    this.seen.push({ method, url, authorization: headers.authorization, range: headers.range });
    if (this.fault(request, response)) return;
    const challenge = this.#challenge(headers.authorization);
    if (url === "/v2/") response.end("{}");
    else if (challenge === undefined) this.#send(request, response);
    else refuse(response, 401, "UNAUTHORIZED", { "www-authenticate": challenge });
  }

  #send({ method = "", url = "", headers }: IncomingMessage, response: ServerResponse): void {
    const [, repository = "", kind, name = ""] = /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(url) ?? [];
    const blob = kind === "blobs" ? this.#blobs.get(name) : undefined;
    const manifest = this.#manifests.get(`${repository}/${name}`);
    if (blob !== undefined) sendBlob(blob, headers.range, response);
    else if (manifest !== undefined) sendManifest(manifest, method, response);
    else refuse(response, 404, kind === "blobs" ? "BLOB_UNKNOWN" : "MANIFEST_UNKNOWN");
  }

  #challenge(authorization: string | undefined): string | undefined {
    if (this.auth.kind === "none") return undefined;
    if (this.auth.kind === "basic") {
      const right = `Basic ${Buffer.from(this.auth.user).toString("base64")}`;
      return authorization === right ? undefined : `Basic realm="fake"`;
    }
    const { realm, token } = this.auth;
    return authorization === `Bearer ${token}` ? undefined : `Bearer realm="${realm}",service="fake"`;
  }
}

function sendManifest(
  of: { mediaType: string; bytes: Uint8Array },
  method: string,
  response: ServerResponse,
): void {
  response.writeHead(200, {
    "content-type": of.mediaType,
    "content-length": of.bytes.length,
    "docker-content-digest": digestOf(of.bytes),
  });
  response.end(method === "HEAD" ? undefined : of.bytes);
}

function sendBlob(bytes: Uint8Array, wanted: string | undefined, response: ServerResponse): void {
  const from = Number(/^bytes=(\d+)-$/.exec(wanted ?? "")?.[1] ?? 0);
  const range = from === 0 ? {} : { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
  response.writeHead(from === 0 ? 200 : 206, { "content-length": bytes.length - from, ...range });
  response.end(bytes.subarray(from));
}

function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  const message = code.toLowerCase().replaceAll("_", " ");
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}
