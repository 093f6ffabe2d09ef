import { readFile } from "node:fs/promises";
import { execOk } from "../sys/index.ts";

/** Where something is mounted, as this process sees it (proc_pid_mountinfo(5)), the last one mounted last. Asks no file system. */
export async function mountPoints(): Promise<string[]> {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").filter(Boolean);
  return lines.map((line) => unescaped(line.split(" ")[4] ?? ""));
}

/** Takes it off the tree; it lives as long as somebody has it open or has it elsewhere. Asks no server. */
export async function unmount(path: string): Promise<void> {
  await execOk(["umount", "-i", "-c", "-l", path]);
}

/** Unmounts all that is mounted in a folder, which is to be deleted: nothing under a mount may be. */
export async function unmountBelow(dir: string): Promise<void> {
  const below = (await mountPoints()).filter((path) => path.startsWith(`${dir}/`));
  for (const path of below.toReversed()) await unmount(path);
}

function unescaped(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
