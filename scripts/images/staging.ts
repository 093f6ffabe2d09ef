import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { exec, execOk } from "../../src/sys/index.ts";

/** Puts files of this machine together as the content of a layer. Everything belongs to root. */

/** Writes a file of the tree; `path` is as the container will see it. */
export function putText(tree: string, path: string, text: string, mode = 0o644): void {
  makeFolder(tree, dirname(path));
  writeFileSync(join(tree, path), text);
  chmodSync(join(tree, path), mode);
}

/** Copies one file, following links. */
export function putFile(tree: string, from: string, path: string = from, mode?: number): void {
  makeFolder(tree, dirname(path));
  copyFileSync(from, join(tree, path));
  chmodSync(join(tree, path), mode ?? lstatSync(realpathSync(from)).mode & 0o777);
}

export function putLink(tree: string, path: string, target: string): void {
  makeFolder(tree, dirname(path));
  symlinkSync(target, join(tree, path));
}

export function makeFolder(tree: string, path: string, mode = 0o755): void {
  if (existsSync(join(tree, path))) return;
  mkdirSync(join(tree, path), { recursive: true });
  chownSync(join(tree, path), 0, 0);
  chmodSync(join(tree, path), mode);
}

/** Copies a program and the shared libraries it needs, but those that what lies below has anyhow. */
export async function putProgram(
  tree: string,
  from: string,
  path: string,
  isBelow: (library: string) => boolean = () => false,
): Promise<void> {
  putFile(tree, from, path, 0o755);
  for (const library of await librariesOf(from)) {
    if (!isBelow(library) && !existsSync(join(tree, library))) putFile(tree, library);
  }
}

/** Absolute paths of the libraries a program is linked with, the loader among them; none for a static one. */
async function librariesOf(program: string): Promise<string[]> {
  const { code, stdout, stderr } = await exec(["ldd", program]);
  if (code === 0) return librariesIn(stdout);
  if (stderr.includes("not a dynamic executable")) return [];
  throw new Error(`cannot tell what ${program} is linked with: ${stderr.trim()}`);
}

/** Reads what `ldd` prints: `libm.so.6 => /lib/libm.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`. */
export function librariesIn(ldd: string): string[] {
  return [...ldd.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/gm)].map((match) => match[1] ?? "");
}

/** Copies what perl loads for these modules: their files and shared objects. */
export async function putPerlModules(tree: string, modules: readonly string[]): Promise<void> {
  const print = 'print "$_\\n" for values %INC, @DynaLoader::dl_shared_objects';
  const printed = await execOk(["perl", ...modules.map((name) => `-M${name}`), "-e", print]);
  for (const file of new Set(printed.trim().split("\n"))) putFile(tree, file);
}

/** The names a busybox answers to. */
export async function busyboxNames(busybox: string): Promise<string[]> {
  return (await execOk([busybox, "--list"])).trim().split("\n");
}
