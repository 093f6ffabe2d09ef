import { readdirSync, readFileSync, rmdirSync } from "node:fs";

/** A hierarchy a controller on cgroups v1; on v2 there is this one alone (cgroups(7)). */
const ROOT = "/sys/fs/cgroup";
/** Where runtime puts its containers (runtime/spec.ts). */
const PARENT = "shoal";

/**
 * Takes the cgroups of containers away that were killed together with their shims, as a power cut would; false while
 * one of them has processes. `folder` has an entry a container.
 */
export function removeCgroups(folder: string): boolean {
  return cgroupsOf(folder).map(remove).every(Boolean);
}

/**
 * The processes in those cgroups. One that was being made when runc died is nobody's child any more, and says nothing of
 * its host: only its cgroup does.
 */
export function processesIn(folder: string): number[] {
  return [...new Set(cgroupsOf(folder).flatMap(members))];
}

function cgroupsOf(folder: string): string[] {
  const parents = [PARENT, ...namesIn(ROOT).map((controller) => `${controller}/${PARENT}`)];
  return namesIn(folder).flatMap((id) => parents.map((parent) => `${ROOT}/${parent}/${id}`));
}

function members(path: string): number[] {
  try {
    return readFileSync(`${path}/cgroup.procs`, "utf8").split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
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
