import { stat } from "node:fs/promises";
import { Fault } from "../lib/index.ts";
import type { Mount, ResolvedMount, VolumeMount, Volumes } from "./container.ts";
import { cleanPath } from "./spec-mounts.ts";
import { deviceOf } from "./volume-options.ts";

/** A container's mounts as paths of this machine. */
export interface ContainerMounts {
  readonly mounts: readonly ResolvedMount[];
  /** Names of volumes that go with the container. */
  readonly ownVolumes: readonly string[];
  /** Volumes that take over what the image has at their place, when they are empty. */
  readonly toFill: readonly VolumeToFill[];
}

export interface VolumeToFill {
  readonly name: string;
  readonly path: string;
  readonly target: string;
  /** Something else is mounted there while it is used. */
  readonly isMounted: boolean;
}

/** The config's mounts, and an anonymous volume for each of the image's volume paths that none of them covers. */
export function allMounts(mounts: readonly Mount[], imageVolumes: readonly string[]): Mount[] {
  const targets = new Set<string>();
  for (const { target } of mounts) {
    const clean = cleanPath(target);
    if (!target.startsWith("/")) throw invalid("", `mount path must be absolute: ${target}`);
    if (clean === "/") throw invalid("", "destination can't be '/'");
    if (targets.has(clean)) throw new Fault("invalid", `Duplicate mount point: ${clean}`);
    targets.add(clean);
  }
  const more = imageVolumes.map(cleanPath).filter((path) => path !== "/" && !targets.has(path));
  return [...mounts, ...more.map(anonymousVolume)];
}

/**
 * Checks bind sources and makes volumes that are not there. Faults: "invalid" in Docker's words. What was made before a
 * fault is handed to `undo`.
 */
export async function resolveMounts(
  mounts: readonly Mount[],
  volumes: Volumes,
  undo: (volume: string) => void,
): Promise<ContainerMounts> {
  const resolved: ResolvedMount[] = [];
  const ownVolumes: string[] = [];
  const toFill: VolumeToFill[] = [];
  for (const mount of mounts) {
    const target = cleanPath(mount.target);
    const { type, readOnly } = mount;
    if (mount.type === "volume") {
      const { name, path, isOwn, isMounted } = await volumeOf(mount, volumes);
      if (isOwn) {
        ownVolumes.push(name);
        undo(name);
      }
      const { subpath = "" } = mount;
      checkSubpath(mount.source, subpath);
      if (!mount.noCopy && subpath === "") toFill.push({ name, path, target, isMounted });
      resolved.push({ type, name, source: path, target, readOnly, ...(subpath !== "" && { subpath }) });
    } else {
      if (mount.type === "bind") await checkSource(mount.source);
      resolved.push({ type, source: mount.source, target, readOnly });
    }
  }
  return { mounts: resolved, ownVolumes, toFill };
}

async function volumeOf(
  mount: VolumeMount,
  volumes: Volumes,
): Promise<{ name: string; path: string; isOwn: boolean; isMounted: boolean }> {
  const { source: name, labels, driver, driverOptions: options } = mount;
  const volume = await volumes.create({ name, labels, driver, options });
  const isMounted = deviceOf(volume.options) !== undefined;
  return { name: volume.name, path: volume.path, isOwn: name === "", isMounted };
}

/** moby volume/mounts/validate.go. */
function checkSubpath(volume: string, subpath: string): void {
  if (subpath === "") return;
  if (volume === "") throw invalid("volume", "must not set Subpath when using anonymous volumes");
  if (!isLocal(subpath)) throw invalid("volume", "subpath must be a relative path within the volume");
}

/** Go's filepath.IsLocal: by its words alone, it never leaves where it begins. */
function isLocal(path: string): boolean {
  let depth = 0;
  for (const part of path.split("/").filter((one) => one !== "" && one !== ".")) {
    depth += part === ".." ? -1 : 1;
    if (depth < 0) return false;
  }
  return !path.startsWith("/");
}

async function checkSource(source: string): Promise<void> {
  if (!source.startsWith("/")) {
    throw invalid("bind", `invalid mount path: '${source}' mount path must be absolute`);
  }
  await stat(source).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT" && error.code !== "ENOTDIR") throw error;
    throw invalid("bind", `bind source path does not exist: ${source}`);
  });
}

function invalid(type: string, reason: string): Fault {
  const what = type === "" ? "invalid mount config" : `invalid mount config for type "${type}"`;
  return new Fault("invalid", `${what}: ${reason}`);
}

function anonymousVolume(target: string): VolumeMount {
  return {
    type: "volume",
    source: "",
    target,
    readOnly: false,
    noCopy: false,
    labels: {},
    driver: "",
    driverOptions: {},
  };
}
