import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type Blob, composeIndex, type Image, type Layer } from "./oci.ts";

/** A repository and tag, and the images of it: one, or one a platform under a manifest list. */
export interface Pushed {
  /** `library/redis` */
  readonly repository: string;
  readonly tag: string;
  readonly images: readonly Image[];
  /** Push a manifest list, even over one image. */
  readonly list?: boolean;
}

/** Runs Debian's docker-registry on loopback over a storage folder while `work` runs. */
export async function withRegistry(
  storage: string,
  folder: string,
  work: (url: string) => Promise<void>,
): Promise<void> {
  const address = `127.0.0.1:${await freePort()}`;
  const config = join(folder, "registry.yml");
  writeFileSync(
    config,
    JSON.stringify({
      version: "0.1",
      log: { level: "error" },
      storage: { filesystem: { rootdirectory: storage } },
      http: { addr: address },
    }),
  );
  // It must not outlive this process, however this one ends.
  const argv = ["--pdeathsig", "KILL", "docker-registry", "serve", config];
  const child = spawn("setpriv", argv, { stdio: "ignore" });
  const failed = once(child, "error").then(([cause]) => {
    throw new Error(`cannot run docker-registry: ${String(cause)}`);
  });
  try {
    await Promise.race([failed, untilAnswering(child, `http://${address}/v2/`)]);
    await work(`http://${address}`);
  } finally {
    if (child.exitCode === null && child.kill("SIGTERM")) await once(child, "exit");
  }
}

async function untilAnswering(child: ChildProcess, url: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with exit code ${child.exitCode}`);
    const answered = await fetch(url).then(
      () => true,
      () => false,
    );
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("docker-registry does not answer");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

/**
 * Pushes blobs, then manifests, then the list (OCI distribution spec 1.1, "Push"). `homes` remembers which
 * repository has which blob: a blob that another one has is mounted from there and not sent again.
 */
export async function push(registry: string, pushed: Pushed, homes: Map<string, string>): Promise<void> {
  const { repository, tag, images, list } = pushed;
  const base = `${registry}/v2/${repository}`;
  for (const { layers, config, manifest } of images) {
    for (const blob of [...layers, config]) {
      await pushBlob(base, blob, homes.get(blob.digest));
      homes.set(blob.digest, repository);
    }
    await pushManifest(base, list === true ? manifest.digest : tag, manifest);
  }
  if (list === true) await pushManifest(base, tag, composeIndex(images));
}

async function pushBlob(base: string, blob: Blob | Layer, from: string | undefined): Promise<void> {
  const mount = from === undefined ? "" : `?${new URLSearchParams({ mount: blob.digest, from })}`;
  const started = await fetch(`${base}/blobs/uploads/${mount}`, { method: "POST" });
  if (started.status === 201) return;
  await expect(202, "start an upload", started);
  const location = new URL(started.headers.get("location") ?? "", base);
  location.searchParams.set("digest", blob.digest);
  const body = new Uint8Array("bytes" in blob ? blob.bytes : readFileSync(blob.file));
  const headers = { "content-type": "application/octet-stream" };
  await expect(201, `push ${blob.digest}`, await fetch(location, { method: "PUT", headers, body }));
}

async function pushManifest(base: string, reference: string, manifest: Blob): Promise<void> {
  const headers = { "content-type": manifest.mediaType };
  const body = new Uint8Array(manifest.bytes);
  const url = `${base}/manifests/${reference}`;
  await expect(201, `push manifest ${reference}`, await fetch(url, { method: "PUT", headers, body }));
}

async function expect(status: number, what: string, response: Response): Promise<void> {
  const text = await response.text();
  if (response.status === status) return;
  throw new Error(`cannot ${what}: the registry answers ${response.status}: ${text}`);
}
