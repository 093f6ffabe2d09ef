import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { blobOf, descriptorOf, type Blob as MadeBlob, sha256 } from "../../scripts/images/oci.ts";

export { blobOf, descriptorOf, type MadeBlob, sha256 };

const OCI = "application/vnd.oci.image";
const DOCKER = "application/vnd.docker";

/** A file of a layer: text or bytes, a link, or a directory. A name `.wh.x` deletes x of the layers below. */
export interface LayerFile {
  readonly name: string;
  readonly content?: string | Uint8Array;
  readonly link?: string;
  readonly mode?: number;
}

/** An image in memory: what a registry or an archive holds of it. */
export interface MadeImage {
  readonly config: MadeBlob;
  readonly layers: readonly MadeBlob[];
  /** The same layers before compression. */
  readonly tars: readonly Uint8Array[];
  readonly manifest: MadeBlob;
  readonly platform: { readonly os: string; readonly architecture: string };
}

/** The files as an uncompressed tar: the same bytes for the same files, whenever it is made. */
export async function tarOf(files: readonly LayerFile[]): Promise<Buffer> {
  const tar = pack();
  const mtime = new Date(0);
  for (const { name, content, link, mode } of files) {
    if (link !== undefined) tar.entry({ name, mtime, type: "symlink", linkname: link });
    else if (content === undefined) tar.entry({ name, mtime, type: "directory", mode: mode ?? 0o755 });
    else tar.entry({ name, mtime, mode: mode ?? 0o644 }, Buffer.from(content));
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** A root file system that runs: busybox under a few of its names. */
export function busyboxFiles(): LayerFile[] {
  const names = ["sh", "cat", "echo", "sleep", "ls", "httpd", "nc", "wget", "hostname", "touch", "rm"];
  return [
    { name: "bin" },
    { name: "bin/busybox", content: readFileSync("/bin/busybox"), mode: 0o755 },
    ...names.map((name) => ({ name: `bin/${name}`, link: "busybox" })),
    ...["proc", "sys", "dev", "tmp", "etc"].map((name) => ({ name })),
  ];
}

/** Makes an image of one platform from the files of its layers. */
export async function makeImage(
  layers: readonly (readonly LayerFile[])[],
  options: { readonly architecture?: string; readonly config?: object; readonly docker?: boolean } = {},
): Promise<MadeImage> {
  const { architecture = process.arch === "x64" ? "amd64" : process.arch, docker = false } = options;
  const platform = { os: "linux", architecture };
  const tars = await Promise.all(layers.map(tarOf));
  const layerType = docker ? `${DOCKER}.image.rootfs.diff.tar.gzip` : `${OCI}.layer.v1.tar+gzip`;
  const blobs = tars.map((tar) => blobOf(layerType, gzipSync(tar, { level: 1 })));
  const config = blobOf(docker ? `${DOCKER}.container.image.v1+json` : `${OCI}.config.v1+json`, {
    ...platform,
    created: "2026-01-02T03:04:05Z",
    config: options.config ?? { Cmd: ["sh"], Env: ["PATH=/bin"] },
    rootfs: { type: "layers", diff_ids: tars.map(sha256) },
    history: layers.map((_, i) => ({ created_by: `layer ${i}` })),
  });
  const mediaType = docker ? `${DOCKER}.distribution.manifest.v2+json` : `${OCI}.manifest.v1+json`;
  const manifest = blobOf(mediaType, {
    schemaVersion: 2,
    mediaType,
    config: descriptorOf(config),
    layers: blobs.map(descriptorOf),
  });
  return { config, layers: blobs, tars, manifest, platform };
}

/** An index over images of several platforms. */
export function makeIndex(images: readonly MadeImage[], docker = false): MadeBlob {
  const mediaType = docker ? `${DOCKER}.distribution.manifest.list.v2+json` : `${OCI}.index.v1+json`;
  const manifests = images.map(({ manifest, platform }) => ({ ...descriptorOf(manifest), platform }));
  return blobOf(mediaType, { schemaVersion: 2, mediaType, manifests });
}

/** Pushes an image, or an index over several, under a tag (OCI distribution spec, "Push"). */
export async function pushImage(
  registryUrl: string,
  repository: string,
  tag: string,
  images: readonly MadeImage[],
  index?: MadeBlob,
  authorization?: string,
): Promise<void> {
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
  const base = `${registryUrl}/v2/${repository}`;
  for (const { config, layers, manifest } of images) {
    for (const blob of [config, ...layers]) await pushBlob(base, blob, headers);
    await pushManifest(`${base}/manifests/${index === undefined ? tag : manifest.digest}`, manifest, headers);
  }
  if (index !== undefined) await pushManifest(`${base}/manifests/${tag}`, index, headers);
}

async function pushBlob(base: string, blob: MadeBlob, headers: Record<string, string>): Promise<void> {
  const started = await fetch(`${base}/blobs/uploads/`, { method: "POST", headers });
  const location = new URL(started.headers.get("location") ?? "", base);
  location.searchParams.set("digest", blob.digest);
  const sent = await fetch(location, {
    method: "PUT",
    headers: { ...headers, "content-type": "application/octet-stream" },
    body: new Uint8Array(blob.bytes),
  });
  if (sent.status !== 201) throw new Error(`cannot push a blob: ${sent.status} ${await sent.text()}`);
}

async function pushManifest(url: string, manifest: MadeBlob, headers: Record<string, string>): Promise<void> {
  const sent = await fetch(url, {
    method: "PUT",
    headers: { ...headers, "content-type": manifest.mediaType },
    body: new Uint8Array(manifest.bytes),
  });
  if (sent.status !== 201) throw new Error(`cannot push a manifest: ${sent.status} ${await sent.text()}`);
}
