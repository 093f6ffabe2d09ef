import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Clock, silentLog } from "../lib/index.ts";
import { digestOf } from "./digest.ts";
import { MEDIA_TYPES } from "./manifest.ts";
import { parseReference } from "./reference.ts";
import { FakeRegistry } from "./registry.fake.ts";
import { RegistryClient } from "./registry-client.ts";

const AMD64 = { os: "linux", architecture: "amd64" };
const ARM64 = { os: "linux", architecture: "arm64" };
const layer = Buffer.alloc(300_000, "layer");

/** Waits are over at once, so that back-off costs nothing. */
const hastyClock: Clock = {
  now: () => 0,
  after(_, fn) {
    const handle = setImmediate(fn);
    return { cancel: () => clearImmediate(handle) };
  },
};

let registry: FakeRegistry;
let client: RegistryClient;
let others: Server[] = [];

beforeEach(async () => {
  registry = new FakeRegistry();
  await registry.listen();
  client = new RegistryClient({ log: silentLog, clock: hastyClock });
});

afterEach(async () => {
  await client.close();
  await registry.close();
  for (const server of others) server.close();
  others = [];
});

const refTo = (name: string) => parseReference(`${registry.host}/${name}`);

async function read(ref: ReturnType<typeof refTo>, offset?: number): Promise<Buffer> {
  const { manifest } = await client.resolve(ref, { platform: AMD64 });
  const [blob] = manifest.layers;
  if (blob === undefined) throw new Error("no layer");
  const chunks: Uint8Array[] = [];
  for await (const chunk of client.fetchBlob(ref, blob, offset === undefined ? {} : { offset }))
    chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function serve(answer: Parameters<typeof createServer>[1]): Promise<string> {
  const server = createServer(answer as never);
  others.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("resolves the platform's manifest through an index", async () => {
  const arm = registry.addImage("app", ARM64, Buffer.from("arm"));
  const amd = registry.addImage("app", AMD64, layer);
  const index = registry.addIndex("app", [arm, amd], "1");
  const { root, documents, config } = await client.resolve(refTo("app:1"), { platform: AMD64 });
  expect(root.descriptor).toEqual(index);
  expect(documents.map((d) => d.descriptor.digest)).toEqual([index.digest, amd.digest]);
  expect(config.parsed.platform).toEqual(AMD64);
  expect(await client.head(refTo("app:1"))).toEqual(index);
});

test("says so when no platform matches, in an index and in a plain manifest", async () => {
  registry.addIndex("app", [registry.addImage("app", ARM64, layer, "plain")], "1");
  await expect(client.resolve(refTo("app:1"), { platform: AMD64 })).rejects.toMatchObject({
    kind: "not-found",
    message: "no matching manifest for linux/amd64 in the manifest list entries",
  });
  await expect(client.resolve(refTo("app:plain"), { platform: AMD64 })).rejects.toMatchObject({
    kind: "not-found",
    message: expect.stringContaining("wanted linux/amd64, actual: linux/arm64"),
  });
});

test("tells descriptor and platforms for an index and for a plain manifest", async () => {
  const plain = registry.addImage("app", AMD64, layer, "plain");
  const index = registry.addIndex("app", [plain, registry.addImage("app", ARM64, layer)], "1");
  expect(await client.distribution(refTo("app:1"))).toEqual({ descriptor: index, platforms: [AMD64, ARM64] });
  expect(await client.distribution(refTo("app:plain"))).toMatchObject({
    descriptor: { digest: plain.digest },
    platforms: [AMD64],
  });
});

test("missing tags and refused repositories are said in Docker's words", async () => {
  const ref = refTo("app:9");
  await expect(client.resolve(ref)).rejects.toMatchObject({
    kind: "not-found",
    message: `manifest for ${registry.host}/app:9 not found: manifest unknown: manifest unknown`,
  });
  registry.auth = { kind: "basic", user: "u:p" };
  await expect(client.resolve(ref)).rejects.toMatchObject({
    kind: "unauthorized",
    message: `Get "http://${registry.host}/v2/app/manifests/9": no basic auth credentials`,
  });
  const credentials = { username: "u", password: "wrong" };
  await expect(client.resolve(ref, { credentials })).rejects.toMatchObject({
    kind: "unauthorized",
    message: expect.stringContaining(
      `pull access denied for ${registry.host}/app, repository does not exist or may`,
    ),
  });
});

test("a document that could be read as two kinds is refused", async () => {
  registry.addManifest(
    "app",
    { schemaVersion: 2, manifests: [], layers: [], config: {} },
    MEDIA_TYPES.ociIndex,
    "1",
  );
  await expect(client.resolve(refTo("app:1"))).rejects.toMatchObject({ kind: "invalid" });
});

test("a manifest that does not have the digest asked for is refused", async () => {
  const { digest } = registry.addImage("app", AMD64, layer, "1");
  registry.fault = (request, response) => {
    if (!request.url?.includes("/manifests/")) return false;
    response.writeHead(200, { "content-type": MEDIA_TYPES.ociManifest });
    response.end("{}");
    return true;
  };
  await expect(client.resolve(refTo(`app@${digest}`))).rejects.toThrow("manifest verification failed");
});

test("basic credentials are sent once asked for, and at once the next time", async () => {
  registry.addImage("app", AMD64, layer, "1");
  registry.auth = { kind: "basic", user: "u:p" };
  const credentials = { username: "u", password: "p" };
  await client.resolve(refTo("app:1"), { platform: AMD64, credentials });
  expect(registry.seen.filter((s) => s.url !== "/v2/" && s.authorization === undefined)).toHaveLength(1);
  await expect(client.resolve(refTo("app:1"), { platform: AMD64 })).rejects.toMatchObject({
    kind: "unauthorized",
  });
});

test("fetches a token, keeps it, sends the password to the token server only", async () => {
  registry.addImage("app", AMD64, layer, "1");
  const asked: { url: string; authorization: string | undefined }[] = [];
  const realm = await serve((request, response) => {
    asked.push({ url: request.url ?? "", authorization: request.headers.authorization });
    response.end(JSON.stringify({ token: "T", expires_in: 300 }));
  });
  registry.auth = { kind: "token", realm, token: "T" };
  const credentials = { username: "u", password: "p" };
  await client.resolve(refTo("app:1"), { platform: AMD64, credentials });
  await client.resolve(refTo("app:1"), { platform: AMD64, credentials });
  expect(asked).toEqual([
    {
      url: "/?service=fake&scope=repository%3Aapp%3Apull&account=u",
      authorization: `Basic ${Buffer.from("u:p").toString("base64")}`,
    },
  ]);
  expect(registry.seen.every((s) => s.authorization === undefined || s.authorization === "Bearer T")).toBe(
    true,
  );
  await client.resolve(refTo("app:1"), { platform: AMD64 });
  expect(asked[1]).toEqual({ url: "/?service=fake&scope=repository%3Aapp%3Apull", authorization: undefined });
});

test("an identity token is exchanged by POST", async () => {
  registry.addImage("app", AMD64, layer, "1");
  let form = "";
  const realm = await serve((request, response) => {
    request.on("data", (chunk) => {
      form += chunk;
    });
    request.on("end", () => response.end(JSON.stringify({ access_token: "T" })));
  });
  registry.auth = { kind: "token", realm, token: "T" };
  await client.resolve(refTo("app:1"), { platform: AMD64, credentials: { identityToken: "refresh" } });
  expect(Object.fromEntries(new URLSearchParams(form))).toMatchObject({
    grant_type: "refresh_token",
    refresh_token: "refresh",
    scope: "repository:app:pull",
  });
});

test("a redirect to another host does not carry the authorization along", async () => {
  registry.addImage("app", AMD64, layer, "1");
  registry.auth = { kind: "basic", user: "u:p" };
  let leaked: string | undefined = "nothing came";
  const cdn = await serve((request, response) => {
    leaked = request.headers.authorization;
    response.end(layer);
  });
  registry.fault = (request, response) => {
    if (!request.url?.includes(digestOf(layer))) return false;
    response.writeHead(307, { location: `${cdn}/blob?sig=1` }).end();
    return true;
  };
  const credentials = { username: "u", password: "p" };
  const ref = refTo("app:1");
  const { manifest } = await client.resolve(ref, { platform: AMD64, credentials });
  let size = 0;
  for await (const chunk of client.fetchBlob(ref, manifest.layers[0]!, { credentials })) size += chunk.length;
  expect(size).toBe(layer.length);
  expect(leaked).toBeUndefined();
});

test("a download that breaks goes on where it broke", async () => {
  registry.addImage("app", AMD64, layer, "1");
  let breaks = 0;
  registry.fault = (request, response) => {
    if (!request.url?.includes(digestOf(layer)) || breaks === 2) return false;
    breaks++;
    const from = Number(/\d+/.exec(request.headers.range ?? "0")?.[0]);
    response.writeHead(from === 0 ? 200 : 206, {
      "content-length": layer.length - from,
      ...(from > 0 && { "content-range": `bytes ${from}-${layer.length - 1}/${layer.length}` }),
    });
    response.write(layer.subarray(from, from + 100_000), () => response.destroy());
    return true;
  };
  expect(digestOf(await read(refTo("app:1")))).toBe(digestOf(layer));
  expect(breaks).toBe(2);
  expect(registry.seen.filter((s) => s.range !== undefined).length).toBeGreaterThanOrEqual(2);
});

test("a server that ignores ranges is read from the start, and only the rest is given", async () => {
  registry.addImage("app", AMD64, layer, "1");
  registry.fault = (request, response) => {
    if (!request.url?.includes(digestOf(layer))) return false;
    response.end(layer);
    return true;
  };
  expect(await read(refTo("app:1"), 100_000)).toEqual(layer.subarray(100_000));
});

test("a blob with other bytes, too many or too few, is refused", async () => {
  registry.addImage("app", AMD64, layer, "1");
  let bytes = Buffer.alloc(layer.length, "evil!");
  registry.fault = (request, response) => {
    if (!request.url?.includes(digestOf(layer))) return false;
    response.end(bytes);
    return true;
  };
  await expect(read(refTo("app:1"))).rejects.toThrow("filesystem layer verification failed");
  bytes = Buffer.concat([layer, layer]);
  await expect(read(refTo("app:1"))).rejects.toThrow(`it is over ${layer.length} bytes`);
  bytes = layer.subarray(1);
  await expect(read(refTo("app:1"))).rejects.toMatchObject({ kind: "unavailable" });
});

test("5xx is tried again; 429 is said, not tried again", async () => {
  registry.addImage("app", AMD64, layer, "1");
  let left = 2;
  registry.fault = (request, response) => {
    if (request.url === "/v2/" || left-- <= 0) return false;
    response.writeHead(503).end();
    return true;
  };
  await client.resolve(refTo("app:1"), { platform: AMD64 });
  registry.seen.length = 0;
  registry.fault = (_, response) => {
    response
      .writeHead(429)
      .end(JSON.stringify({ errors: [{ code: "TOOMANYREQUESTS", message: "slow down" }] }));
    return true;
  };
  await expect(client.resolve(refTo("app:1"))).rejects.toMatchObject({
    kind: "unavailable",
    message: "toomanyrequests: slow down",
  });
  expect(registry.seen).toHaveLength(1);
});

test("a mirror is asked for docker.io and gets no credentials; a dead one is passed over", async () => {
  registry.addImage("library/redis", AMD64, layer, "3.2");
  const dead = await serve(() => {});
  others.pop()?.close();
  const mirrored = new RegistryClient({
    mirrors: [dead, `http://${registry.host}`],
    log: silentLog,
    clock: hastyClock,
  });
  const credentials = { registryToken: "secret" };
  const { root } = await mirrored.resolve(parseReference("redis:3.2"), { platform: AMD64, credentials });
  await mirrored.close();
  expect(root.descriptor.mediaType).toBe(MEDIA_TYPES.ociManifest);
  expect(registry.seen.length).toBeGreaterThan(0);
  expect(registry.seen.every((s) => s.authorization === undefined)).toBe(true);
});

test("a host that does not answer is unavailable; an aborted call rejects with the signal's reason", async () => {
  const { host } = registry;
  await registry.close();
  await expect(client.resolve(parseReference(`${host}/a`))).rejects.toMatchObject({
    kind: "unavailable",
    message: expect.stringContaining(`Get "http://${host}/v2/"`),
  });
  const reason = new Error("stopped");
  await expect(
    client.resolve(parseReference(`${host}/a`), { signal: AbortSignal.abort(reason) }),
  ).rejects.toBe(reason);
  await registry.listen();
});
