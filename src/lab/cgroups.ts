import { readdirSync, rmdirSync } from "node:fs";

/** A hierarchy a controller on cgroups v1; on v2 there is this one alone (cgroups(7)). */
const ROOT = "/sys/fs/cgroup";
/** Where runtime puts its containers (runtime/spec.ts). */
const PARENT = "shoal";

/**
 * Takes the cgroups of containers away that were killed together with their shims, as a power cut would; false while
 * one of them has processes. `folder` has an entry a container.
 */
export function removeCgroups(folder: string): boolean {
  const parents = [PARENT, ...namesIn(ROOT).map((controller) => `${controller}/${PARENT}`)];
  const paths = namesIn(folder).flatMap((id) => parents.map((parent) => `${ROOT}/${parent}/${id}`));
  return paths.map(remove).every(Boolean);
}

function remove(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "EBUSY";
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
