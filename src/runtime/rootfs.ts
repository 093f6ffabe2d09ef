import { constants } from "node:fs";
import { lstat, mkdir, open, readlink, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Mount } from "../gen/containerd/types_pb.ts";
import { Fault, type Random, randomHex } from "../lib/index.ts";
import { execOk } from "../sys/index.ts";

const MOST_LINKS = 40;

/** Folders of half-made mounts carry this in their names, so that a start finds what a crash left. */
export const ROOTFS_PREFIX = ".rootfs-";

/**
 * Runs `work` on the layers under a snapshot as one folder, whiteouts and all. A snapshot on one layer is read where it lies;
 * more are mounted read-only under `dir` meanwhile.
 */
export async function withLayers<T>(
  mounts: readonly Pick<Mount, "type" | "source" | "options">[],
  { dir, random }: { readonly dir: string; readonly random: Random },
  work: (root: string) => Promise<T>,
): Promise<T> {
  const layers = layersOf(mounts);
  const [only] = layers;
  if (only !== undefined && layers.length === 1) return work(only);
  const target = `${dir}/${ROOTFS_PREFIX}${randomHex(random, 8)}`;
  await mkdir(target, { recursive: true, mode: 0o700 });
  try {
    await mountLayers(layers, target);
    try {
      return await work(target);
    } finally {
      await execOk(["umount", "--lazy", target]);
    }
  } finally {
    await rmdir(target);
  }
}

/** Folders of the layers, topmost first. */
function layersOf(mounts: readonly Pick<Mount, "type" | "source" | "options">[]): string[] {
  const [mount] = mounts;
  if (mount === undefined) throw new Fault("internal", "cannot read a snapshot: it has no mounts");
  if (mount.type === "bind") return [mount.source];
  const option = mount.options.find((o) => o.startsWith("lowerdir="));
  if (mount.type !== "overlay" || option === undefined) {
    throw new Fault("internal", `cannot read a snapshot: it is a mount of type ${mount.type}`);
  }
  return option.slice("lowerdir=".length).split(":");
}

/** mount(2) takes a page of options, which absolute paths of many layers overrun: they are given from where they all lie. */
async function mountLayers(layers: readonly string[], target: string): Promise<void> {
  let cwd = dirname(layers[0] ?? "");
  while (!layers.every((layer) => layer.startsWith(`${cwd}/`))) cwd = dirname(cwd);
  const lower = layers.map((layer) => layer.slice(cwd.length + 1)).join(":");
  await execOk(["mount", "-t", "overlay", "-o", `ro,lowerdir=${lower}`, "shoal", target], { cwd });
}

/**
 * Where a container's path really is under `root`: every link is followed as from inside, so none leads out.
 * Undefined when there is nothing.
 */
export async function resolveIn(root: string, path: string): Promise<string | undefined> {
  let todo = path.split("/");
  let at: string[] = [];
  for (let links = 0; todo.length > 0; ) {
    const [part = "", ...rest] = todo;
    todo = rest;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      at.pop();
      continue;
    }
    const here = [root, ...at, part].join("/");
    const found = await lstat(here).catch(unlessMissing);
    if (found === undefined) return undefined;
    if (!found.isSymbolicLink()) {
      at.push(part);
      continue;
    }
    if (++links > MOST_LINKS) throw new Fault("invalid", `cannot find ${path}: too many links`);
    const link = await readlink(here);
    if (link.startsWith("/")) at = [];
    todo = [...link.split("/"), ...todo];
  }
  return [root, ...at].join("/");
}

/** The text of a regular file of at most `most` bytes under `root`; empty when there is none. Fault "invalid" when it is bigger. */
export async function readIn(root: string, path: string, most: number): Promise<string> {
  const real = await resolveIn(root, path);
  if (real === undefined) return "";
  const file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    if (!found.isFile()) return "";
    if (found.size > most) throw new Fault("invalid", `cannot read ${path} of the image: over ${most} bytes`);
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
  throw error;
}
