import { Fault } from "../lib/index.ts";

/** A path as the kernel has it: a character a byte (latin1), of whatever bytes. */
export type BytePath = string;

/** Of a path that people write. */
export function bytePath(text: string): BytePath {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** For people. */
export function shownPath(path: BytePath): string {
  return bytesOf(path).toString("utf8");
}

export function bytesOf(path: BytePath): Buffer {
  return Buffer.from(path, "latin1");
}

/**
 * A name in an open folder, as a path for calls that do not follow their path's last part: the kernel goes to the folder that the
 * descriptor holds, wherever that is by now, and from there one step. Fault "internal" for what is more than a name: a path of two parts
 * would be resolved outside of any container.
 */
export function nameIn(folder: number, name: BytePath): Buffer {
  if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) {
    throw new Fault("internal", `cannot name ${JSON.stringify(name)} in a folder: it is a path`);
  }
  return Buffer.concat([Buffer.from(`${heldPath(folder)}/`), bytesOf(name)]);
}

/** What a descriptor holds, as a path: it is that file, and no name is looked up in a container. */
export function heldPath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** Without doubled, "." and leading "/" parts; "" for the folder itself. Undefined for one that leads out of it. */
export function localPath(path: BytePath): BytePath | undefined {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") {
      if (parts.pop() === undefined) return undefined;
    } else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** [all but the last part, the last part] of a local path. */
export function splitPath(path: BytePath): readonly [folder: BytePath, name: BytePath] {
  const cut = path.lastIndexOf("/");
  return cut < 0 ? ["", path] : [path.slice(0, cut), path.slice(cut + 1)];
}
