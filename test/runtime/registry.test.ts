import { execFileSync } from "node:child_process";
import { createPrivateKey, randomUUID, sign } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { silentLog } from "../../src/lib/index.ts";
import { parseReference, RegistryClient } from "../../src/registry/index.ts";
import { systemClock } from "../../src/sys/index.ts";
import { freePort, startDockerRegistry, type TestRegistry } from "../support/docker-registry.ts";
import { type MadeImage, makeImage, makeIndex, pushImage } from "../support/image-maker.ts";

// Debian's registry under its own two ways to authenticate.

/** `user:word`, as htpasswd -B writes it. */
const USERS = "user:$2b$04$jQAavUoRKZUZbrIWoQXGHe/7YqK1uc6wS.x99wbFNWp8yRGLGTblW\n";
const RIGHT = { username: "user", password: "pass:word" };
const BASIC = `Basic ${Buffer.from("user:pass:word").toString("base64")}`;

const client = new RegistryClient({ log: silentLog, clock: systemClock });
let image: MadeImage;
let running: TestRegistry | undefined;

beforeAll(async () => {
  image = await makeImage([[{ name: "a", content: "secret" }]]);
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
});
afterAll(() => client.close());

async function readLayer(text: string, credentials: { username: string; password: string }): Promise<Buffer> {
  const ref = parseReference(text);
  const { manifest } = await client.resolve(ref, { credentials });
  const chunks: Uint8Array[] = [];
  for (const layer of manifest.layers) {
    for await (const chunk of client.fetchBlob(ref, layer, { credentials })) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

test("basic authentication", async () => {
  const registry = await startDockerRegistry({ htpasswd: USERS });
  running = registry;
  await pushImage(registry.url, "app", "1", [image], undefined, BASIC);
  const ref = `${registry.host}/app:1`;
  expect(await readLayer(ref, RIGHT)).toEqual(Buffer.from(image.layers[0]!.bytes));
  await expect(client.resolve(parseReference(ref))).rejects.toThrow("no basic auth credentials");
  await expect(readLayer(ref, { ...RIGHT, password: "wrong" })).rejects.toMatchObject({
    kind: "unauthorized",
  });
});

test("credentials are tried by a login, and a push needs the right ones", async () => {
  const registry = await startDockerRegistry({ htpasswd: USERS });
  running = registry;
  await client.login(registry.host, { credentials: RIGHT });
  for (const credentials of [{ ...RIGHT, password: "wrong" }, undefined]) {
    await expect(client.login(registry.host, { credentials })).rejects.toMatchObject({
      kind: "unauthorized",
    });
  }
  const ref = parseReference(`${registry.host}/pushed:1`);
  await push(ref, RIGHT);
  expect(await readLayer(`${registry.host}/pushed:1`, RIGHT)).toEqual(Buffer.from(image.layers[0]!.bytes));
  await expect(push(ref, { ...RIGHT, password: "wrong" })).rejects.toMatchObject({ kind: "unauthorized" });
});

/** The image as the client pushes it. */
async function push(ref: ReturnType<typeof parseReference>, credentials: typeof RIGHT): Promise<void> {
  for (const { bytes, ...blob } of [image.config, ...image.layers]) {
    if (await client.hasBlob(ref, blob, { credentials })) continue;
    await client.uploadBlob(ref, blob, () => Readable.from([bytes]), { credentials });
  }
  const { bytes, ...descriptor } = image.manifest;
  await client.putManifest(ref, { descriptor, bytes }, { credentials });
}

test("distribution tells descriptor and platforms as the registry has them", async () => {
  const registry = await startDockerRegistry();
  running = registry;
  const other = await makeImage([[{ name: "a", content: "b" }]], { architecture: "arm64" });
  const index = makeIndex([image, other]);
  await pushImage(registry.url, "app", "1", [image, other], index);
  const { digest, mediaType, size } = index;
  expect(await client.distribution(parseReference(`${registry.host}/app:1`))).toEqual({
    descriptor: { digest, mediaType, size },
    platforms: [image.platform, other.platform],
  });
  expect(await client.head(parseReference(`${registry.host}/app:1`))).toEqual({ digest, mediaType, size });
  await expect(client.distribution(parseReference(`${registry.host}/none:1`))).rejects.toMatchObject({
    kind: "not-found",
    message: `manifest for ${registry.host}/none:1 not found: manifest unknown: manifest unknown`,
  });
});

/** A token server that knows one user, signing as docker-registry's documentation of `auth.token` asks. */
class TokenServer {
  readonly dir = mkdtempSync(join(tmpdir(), "shoal-token-"));
  readonly seen: (string | undefined)[] = [];
  readonly #server: Server = createServer((request, response) => {
    const { authorization } = request.headers;
    this.seen.push(authorization);
    if (authorization !== BASIC) {
      response.writeHead(401).end(JSON.stringify({ details: "incorrect username or password" }));
      return;
    }
    const { searchParams } = new URL(request.url ?? "", "http://token");
    response.end(JSON.stringify({ token: this.#token(searchParams.get("scope") ?? ""), expires_in: 300 }));
  });

  async start(): Promise<string> {
    const files = ["-keyout", `${this.dir}/key.pem`, "-out", this.certificate];
    const subject = ["-subj", "/CN=token", "-days", "1"];
    execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", ...files, ...subject], {
      stdio: "ignore",
    });
    const port = await freePort();
    await new Promise<void>((resolve) => this.#server.listen(port, "127.0.0.1", resolve));
    return `http://127.0.0.1:${port}/token`;
  }

  get certificate(): string {
    return `${this.dir}/cert.pem`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    rmSync(this.dir, { recursive: true, force: true });
  }

  #token(scope: string): string {
    const [type, name, actions = ""] = scope.split(":");
    const now = Math.floor(Date.now() / 1000);
    const x5c = [readFileSync(this.certificate, "utf8").replace(/-----[A-Z ]+-----|\s/g, "")];
    const head = { typ: "JWT", alg: "RS256", x5c };
    const access = [{ type, name, actions: actions.split(",") }];
    const times = { iat: now, nbf: now - 10, exp: now + 300, jti: randomUUID() };
    const claims = { iss: "issuer", sub: "user", aud: "service", ...times, access };
    const text = [head, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    const key = createPrivateKey(readFileSync(`${this.dir}/key.pem`));
    return `${text}.${sign("sha256", Buffer.from(text), key).toString("base64url")}`;
  }
}

test("token authentication", async () => {
  const tokens = new TokenServer();
  try {
    const realm = await tokens.start();
    const token = { realm, service: "service", issuer: "issuer", rootcertbundle: tokens.certificate };
    const registry = await startDockerRegistry({ token });
    running = registry;
    const scoped = await fetch(`${realm}?service=service&scope=repository:app:pull,push`, {
      headers: { authorization: BASIC },
    });
    const { token: bearer } = (await scoped.json()) as { token: string };
    await pushImage(registry.url, "app", "1", [image], undefined, `Bearer ${bearer}`);
    await client.login(registry.host, { credentials: RIGHT });
    await expect(
      client.login(registry.host, { credentials: { ...RIGHT, password: "wrong" } }),
    ).rejects.toMatchObject({ kind: "unauthorized" });
    tokens.seen.length = 0;
    const ref = `${registry.host}/app:1`;
    expect(await readLayer(ref, RIGHT)).toEqual(Buffer.from(image.layers[0]!.bytes));
    expect(tokens.seen, "one token serves manifest, config and layer").toEqual([BASIC]);
    await push(parseReference(`${registry.host}/app:2`), RIGHT);
    expect(await readLayer(`${registry.host}/app:2`, RIGHT)).toEqual(Buffer.from(image.layers[0]!.bytes));
    await expect(readLayer(ref, { ...RIGHT, password: "wrong" })).rejects.toMatchObject({
      kind: "unauthorized",
      message: `Get "${realm}": unauthorized: incorrect username or password`,
    });
  } finally {
    await tokens.stop();
  }
});
