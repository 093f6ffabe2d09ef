import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BASE_PACKAGES, DEBIAN_STAGES, type DebianStage, type LayerName } from "./catalog.ts";
import { type Archive, bootstrap, extend, isNeeded } from "./debian.ts";
import { packLayer } from "./layer.ts";
import type { Layer } from "./oci.ts";
import { putLink, putText } from "./staging.ts";
import { compareTrees, pathsIn, whiteoutOf } from "./tree.ts";

/** The layers that are made from Debian's archive. */

export type DebianLayerName = "base" | keyof typeof DEBIAN_STAGES;

const FILES = join(import.meta.dirname, "files");

/** All that these layers are made by, relative to the checkout: a change of it makes them anew. */
export const DEBIAN_CODE: readonly string[] = [
  ...["debian.ts", "debian-layers.ts", "layer.ts", "tree.ts"],
  ...Object.values(DEBIAN_STAGES).flatMap((stage) =>
    Object.values(stage.scripts).map((file) => `files/${file}`),
  ),
].map((name) => `scripts/images/${name}`);

/** Makes the base and what lies on it from Debian packages, in a folder: `<name>.tgz`, and `layers.json` about them. */
export async function makeDebianLayers(
  archive: Archive,
  folder: string,
  progress: (line: string) => void,
): Promise<void> {
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
    addOwn(tree, stage);
    layers[name] = await packDifference(base, tree, stage.without, {
      file: join(folder, `${name}.tgz`),
      createdBy: `apt-get install ${stage.packages.join(" ")}`,
    });
    rmSync(tree, { recursive: true });
  }
  rmSync(base, { recursive: true });
  writeFileSync(join(folder, "layers.json"), JSON.stringify(layers));
}

/** Puts a stage's scripts and links beside what the packages brought. */
function addOwn(tree: string, { scripts, links }: DebianStage): void {
  for (const [path, file] of Object.entries(scripts)) {
    putText(tree, path, readFileSync(join(FILES, file), "utf8"), 0o755);
  }
  for (const [path, pattern] of Object.entries(links)) {
    const target = pathsIn(tree).find((found) => pattern.test(found));
    if (target === undefined) throw new Error(`cannot link ${path}: no package brought ${pattern}`);
    putLink(tree, path, `/${target}`);
  }
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

/** Whether a layer is made from Debian's archive. */
export function isDebianLayer(name: LayerName): name is DebianLayerName {
  return name === "base" || name in DEBIAN_STAGES;
}
