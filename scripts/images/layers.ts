import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundleApp } from "./bundle.ts";
import { type AppName, BASE_PACKAGES, DEBIAN_STAGES, type LayerName } from "./catalog.ts";
import { type Archive, bootstrap, extend, isNeeded } from "./debian.ts";
import { packLayer } from "./layer.ts";
import type { Layer } from "./oci.ts";
import { busyboxNames, makeFolder, putLink, putPerlModules, putProgram, putText } from "./staging.ts";
import { compareTrees, pathsIn, whiteoutOf } from "./tree.ts";

/** What fills each layer of the catalogue. */

const FILES = join(import.meta.dirname, "files");
const fileOf = (name: string): string => readFileSync(join(FILES, name), "utf8");

/** Libraries that the base has: those of BASE_PACKAGES and the C library. */
const isOnBase = (library: string): boolean =>
  /\/(libc|libm|libdl|libpthread|librt|libgcc_s|libstdc\+\+|ld-linux[^/]*)\.so\.\d+$/.test(library);

type Progress = (line: string) => void;

/** Makes the base and what lies on it from Debian packages, in a folder: `<name>.tgz`, and `layers.json` about them. */
export async function makeDebianLayers(archive: Archive, folder: string, progress: Progress): Promise<void> {
  const base = join(folder, "base");
  progress(`Debian ${archive.suite}: the base`);
  await bootstrap(archive, base, BASE_PACKAGES);
  const baseLayer = await packLayer({
    folder: base,
    paths: pathsIn(base).filter(isNeeded),
    file: join(folder, "base.tgz"),
    createdBy: `mmdebstrap --variant=essential ${archive.suite}`,
  });
  const layers: Record<string, Layer> = { base: baseLayer };
  for (const [name, stage] of Object.entries(DEBIAN_STAGES)) {
    progress(`Debian ${archive.suite}: ${stage.packages.join(", ")}`);
    const tree = join(folder, name);
    await extend(archive, base, tree, stage.packages, stage.before);
    for (const [path, file] of Object.entries(stage.scripts)) putText(tree, path, fileOf(file), 0o755);
    layers[name] = await packDifference(base, tree, stage.without, {
      file: join(folder, `${name}.tgz`),
      createdBy: `apt-get install ${stage.packages.join(" ")}`,
    });
    rmSync(tree, { recursive: true });
  }
  rmSync(base, { recursive: true });
  writeFileSync(join(folder, "layers.json"), JSON.stringify(layers));
}

/** The layer that makes `tree` out of `base`, without some paths. */
async function packDifference(
  base: string,
  tree: string,
  without: readonly RegExp[],
  target: { readonly file: string; readonly createdBy: string },
): Promise<Layer> {
  const { changed, removed } = compareTrees(base, tree);
  const gone = removed.filter(isNeeded).map(whiteoutOf);
  for (const path of gone) writeFileSync(join(tree, path), "");
  const kept = changed.filter((path) => isNeeded(path) && !without.some((pattern) => pattern.test(path)));
  return packLayer({ folder: tree, paths: [...kept, ...gone], ...target });
}

/** The layers that `makeDebianLayers` left in a folder. */
export function readDebianLayers(folder: string): Map<LayerName, Layer> {
  const layers = JSON.parse(readFileSync(join(folder, "layers.json"), "utf8")) as Record<LayerName, Layer>;
  return new Map(
    Object.entries(layers).map(([name, layer]) => [
      name as LayerName,
      { ...layer, file: join(folder, `${name}.tgz`) },
    ]),
  );
}

/** Puts the content of a layer that needs no Debian archive into an empty tree. */
const FILLERS: Readonly<
  Record<Exclude<LayerName, "base" | keyof typeof DEBIAN_STAGES>, (tree: string) => Promise<void>>
> = {
  async node(tree) {
    await putProgram(tree, process.execPath, "/usr/local/bin/node", isOnBase);
  },
  async busybox(tree) {
    const busybox = "/bin/busybox";
    await putProgram(tree, busybox, busybox);
    for (const name of await busyboxNames(busybox)) {
      if (name !== "busybox") putLink(tree, `/bin/${name}`, "busybox");
    }
    putText(tree, "/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n");
    putText(tree, "/etc/group", "root:x:0:\nnogroup:x:65534:\n");
    for (const path of ["/dev", "/proc", "/sys", "/run", "/root"]) makeFolder(tree, path);
    for (const path of ["/tmp", "/var/tmp"]) makeFolder(tree, path, 0o1777);
  },
  async probe(tree) {
    await putProgram(tree, "/usr/bin/perl", "/bin/perl");
    await putPerlModules(tree, ["strict", "warnings", "Socket", "Fcntl", "Errno"]);
    putText(tree, "/probe.pl", fileOf("probe.pl"));
  },
  async empty(tree) {
    putText(tree, "/README", "An image for another platform: a test wants it refused.\n");
  },
  vote: (tree) => putApp(tree, "vote"),
  worker: (tree) => putApp(tree, "worker"),
  result: (tree) => putApp(tree, "result"),
};

async function putApp(tree: string, app: AppName): Promise<void> {
  putText(tree, "/app/main.cjs", await bundleApp(app));
}

/** Makes one of those layers, as a file in a folder. */
export async function makeLayer(name: keyof typeof FILLERS, folder: string): Promise<Layer> {
  const tree = join(folder, name);
  mkdirSync(tree);
  await FILLERS[name](tree);
  const layer = await packLayer({
    folder: tree,
    paths: pathsIn(tree),
    file: join(folder, `${name}.tgz`),
    createdBy: `shoal scripts/images: ${name}`,
  });
  rmSync(tree, { recursive: true });
  return layer;
}

/** Whether a layer is made from Debian's archive. */
export function isDebianLayer(name: LayerName): name is "base" | keyof typeof DEBIAN_STAGES {
  return name === "base" || name in DEBIAN_STAGES;
}
