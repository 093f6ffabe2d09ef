import { Fault } from "../lib/index.ts";
import type { Mount, VolumeMount } from "../model/index.ts";
import { invalid } from "./refusal.ts";

/** A volume's name is a folder's too (NAME_MAX). */
const VOLUME_REGEXP = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,254}$/;

/** Faults on the first mount that no node could make. */
export function checkMounts(mounts: readonly Mount[]): void {
  const targets = new Set<string>();
  for (const mount of mounts) {
    if (targets.has(mount.target)) throw invalid(`ContainerSpec: duplicate mount point: ${mount.target}`);
    targets.add(mount.target);
    const wrong = mountProblem(mount.type, shapeOf(mount.source), shapeOf(mount.target));
    if (wrong !== undefined) throw new Fault("invalid", wrong);
    if (mount.type === "volume") checkVolumeDriver(mount);
  }
}

function checkVolumeDriver({ driver }: VolumeMount): void {
  if (!["", "local"].includes(driver)) {
    throw new Fault("unsupported", `cannot use volume-driver ${driver}: local is the one that is served`);
  }
}

/** A text with a letter for each template that is not its beginning: whatever it becomes, the rest must be right. */
function shapeOf(text: string): string {
  return text.replace(/(?<=.)\{\{.*?\}\}/gs, "x");
}

/** moby daemon/cluster/executor/container/validate.go; there the task is rejected, here the request already. */
function mountProblem(type: Mount["type"], source: string, target: string): string | undefined {
  // What a template begins, its node will see.
  if (target.startsWith("{{") || source.startsWith("{{")) return undefined;
  if (!target.startsWith("/")) return `invalid mount target, must be an absolute path: ${target}`;
  if (/^\/[./]*$/.test(target)) return `invalid specification: destination can't be '/'`;
  switch (type) {
    case "bind":
      return source.startsWith("/")
        ? undefined
        : `invalid bind mount source, must be an absolute path: ${source}`;
    case "tmpfs":
      return source === "" ? undefined : "invalid tmpfs source, source must be empty";
    case "volume":
      if (source.startsWith("/"))
        return `invalid volume mount source, must not be an absolute path: ${source}`;
      return source === "" || VOLUME_REGEXP.test(source) ? undefined : volumeNameProblem(source);
  }
}

function volumeNameProblem(name: string): string {
  return `create ${name}: ${volumeNameReason(name)}`;
}

function volumeNameReason(name: string): string {
  if (name.length > 255) return "volume name is too long, at most 255 characters are allowed";
  if (name.length === 1)
    return "volume name is too short, names should be at least two alphanumeric characters";
  return `"${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`;
}
