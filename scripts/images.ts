import { mkdirSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { messageOf } from "../src/lib/index.ts";
import { cached, contentOf, keyOf } from "./images/cache.ts";
import {
  BASE_PACKAGES,
  CATALOG,
  type CatalogImage,
  DEBIAN_STAGES,
  type LayerName,
} from "./images/catalog.ts";
import { machineArchive } from "./images/debian.ts";
import { DEBIAN_CODE, isDebianLayer, makeDebianLayers, readDebianLayers } from "./images/debian-layers.ts";
import { makeLayer } from "./images/layers.ts";
import { composeImage, type Layer } from "./images/oci.ts";
import { push, withRegistry } from "./images/registry.ts";
import { STAND_INS } from "./images/stand-ins.ts";

/**
 * Images without an internet: real programs from Debian packages and this machine, pushed to a real registry
 * whose storage folder a lab then serves as the mirror of docker.io. See docs/images-offline.md.
 */

const ROOT = resolve(import.meta.dirname, "..");
const CACHE = join(ROOT, ".cache/images");

type Progress = (line: string) => void;

/**
 * The storage folder of a docker-registry that holds the images, made the first time and when what they are
 * made from has changed. Read it only; many registries may serve it at once. `test`: only the images that
 * need no Debian archive.
 */
export async function preparedRegistry(
  progress: Progress,
  options: { readonly only?: "test" | "all" } = {},
): Promise<string> {
  const images = [...CATALOG, ...STAND_INS].filter((image) => options.only !== "test" || image.forTests);
  const names = [...new Set(images.flatMap((image) => image.layers))];
  const debian = names.some(isDebianLayer) ? await debianLayers(progress) : undefined;
  const key = keyOf([debian?.key ?? "", JSON.stringify(images), ...(await ownInputs())]);
  return cached(CACHE, "registry", key, async (folder) => {
    const layers = new Map(debian && readDebianLayers(debian.folder));
    const work = join(folder, ".work");
    mkdirSync(work);
    for (const name of names) {
      if (isDebianLayer(name)) continue;
      progress(`layer ${name}`);
      layers.set(name, await makeLayer(name, work));
    }
    await pushAll(images, layers, folder, work, progress);
    rmSync(work, { recursive: true });
  });
}

/** What the Debian layers are made from, and the folder they are in. */
async function debianLayers(progress: Progress): Promise<{ key: string; folder: string }> {
  const archive = await machineArchive();
  const stages = JSON.stringify([BASE_PACKAGES, DEBIAN_STAGES], (_, v) =>
    v instanceof RegExp ? String(v) : v,
  );
  const key = keyOf([archive.suite, process.arch, stages, ...contentOf(ROOT, DEBIAN_CODE)]);
  const folder = await cached(CACHE, "debian", key, (aside) => makeDebianLayers(archive, aside, progress));
  return { key, folder };
}

/** What all other layers are made from: our files, and programs of this machine. */
async function ownInputs(): Promise<string[]> {
  const isSource = (file: string) => !/\.(test\.ts|md)$/.test(file);
  const ours = contentOf(
    ROOT,
    ["scripts/images.ts", "scripts/images", "examples/voting-app", "package-lock.json"],
    isSource,
  );
  const programs = [process.execPath, "/bin/busybox", "/usr/bin/perl"].map((path) => {
    const { size, mtimeMs } = statSync(path);
    return `${path} ${size} ${mtimeMs}`;
  });
  return [...ours, ...programs];
}

async function pushAll(
  images: readonly CatalogImage[],
  layers: ReadonlyMap<LayerName, Layer>,
  storage: string,
  work: string,
  progress: Progress,
): Promise<void> {
  const homes = new Map<string, string>();
  const layerOf = (name: LayerName): Layer => {
    const layer = layers.get(name);
    if (layer === undefined) throw new Error(`cannot make images: there is no layer ${name}`);
    return layer;
  };
  await withRegistry(storage, work, async (url) => {
    for (const { repository, tag, layers: names, config, onlyFor } of images) {
      progress(`image ${repository}:${tag}`);
      const image = composeImage(onlyFor ?? machineArchitecture(), names.map(layerOf), config);
      await push(url, { repository, tag, images: [image], list: onlyFor !== undefined }, homes);
    }
  });
}

/** This machine's platform in the registry's words. */
function machineArchitecture(): string {
  return process.arch === "x64" ? "amd64" : process.arch;
}

async function main(): Promise<void> {
  const only = process.argv.includes("--test") ? "test" : "all";
  const folder = await preparedRegistry((line) => process.stderr.write(`images: ${line}\n`), { only });
  process.stdout.write(`${folder}\n`);
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === import.meta.filename) {
  main().catch((error: unknown) => {
    process.stderr.write(`images: ${messageOf(error)}\n`);
    process.exitCode = 1;
  });
}
