import { readFile } from "node:fs/promises";
import { CGROUPS } from "./machine.ts";
import { CGROUP } from "./spec.ts";

/** Where cgroups of version 1 and 2 count what was killed for want of memory, each in a row "oom_kill N". */
const COUNTERS: readonly ((id: string) => string)[] = [
  (id) => `${CGROUPS}/memory${CGROUP}/${id}/memory.oom_control`,
  (id) => `${CGROUPS}${CGROUP}/${id}/memory.events`,
];

/**
 * Whether the kernel has killed a process of the container's present run for want of memory (memory.txt, section 10, and
 * cgroup-v2.rst, memory.events, of the kernel's documentation; since Linux 4.13). False once its cgroup is gone, as it is when its ended
 * process has been removed. containerd tells of such a kill too, but maybe after the end that it led to.
 */
export async function wasKilledForMemory(id: string): Promise<boolean> {
  const texts = await Promise.all(COUNTERS.map((file) => readFile(file(id), "utf8").catch(() => "")));
  return texts.some((text) => killsIn(text) > 0);
}

/** The count of the row "oom_kill"; 0 without one. */
export function killsIn(text: string): number {
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}
