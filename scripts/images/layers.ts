import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bundleApp } from "./bundle.ts";
import type { AppName, LayerName } from "./catalog.ts";
import type { DebianLayerName } from "./debian-layers.ts";
import { packLayer } from "./layer.ts";
import type { Layer } from "./oci.ts";
import { busyboxNames, makeFolder, putLink, putPerlModules, putProgram, putText } from "./staging.ts";
import { pathsIn } from "./tree.ts";

/** What fills the layers that need no Debian archive: programs of this machine and our own. */

const FILES = join(import.meta.dirname, "files");
const fileOf = (name: string): string => readFileSync(join(FILES, name), "utf8");

/** Libraries that the base has: those of BASE_PACKAGES and the C library. */
const isOnBase = (library: string): boolean =>
  /\/(libc|libm|libdl|libpthread|librt|libgcc_s|libstdc\+\+|ld-linux[^/]*)\.so\.\d+$/.test(library);

/** The names that stack files call the stand-in by, and where the images have them. */
const STAND_IN_NAMES: readonly string[] = [
  "/cron.sh",
  ...["curl", "healthcheck.sh", "mongosh", "reach", "restic"].map((name) => `/usr/local/bin/${name}`),
];

/** Puts the content of a layer that needs no Debian archive into an empty tree. */
const FILLERS: Readonly<Record<Exclude<LayerName, DebianLayerName>, (tree: string) => Promise<void>>> = {
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
  async "stand-in"(tree) {
    const program = "/usr/local/bin/stand-in";
    putText(tree, program, fileOf("stand-in.pl"), 0o755);
    for (const name of STAND_IN_NAMES) putLink(tree, name, program);
  },
  async sentinel(tree) {
    // Debian has it in a package of its own: the same program by another name.
    putLink(tree, "/usr/bin/redis-sentinel", "redis-server");
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
