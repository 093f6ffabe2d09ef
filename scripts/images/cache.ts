import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";

/** Folders that are made once for equal inputs, by one process at a time, and are either whole or not there. */

/** Folders that nobody asked for in this time are taken away when a new one is made. */
const KEEP_MS = 3 * 24 * 3600_000;

/** A short name for what something is made from. */
export function keyOf(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest("hex").slice(0, 16);
}

/** The content of files, each with its name, for `keyOf`. Folders stand for all files in them that `wanted` accepts. */
export function contentOf(root: string, names: readonly string[], wanted = (_: string) => true): string[] {
  return names.flatMap((name) => {
    const path = join(root, name);
    if (!statSync(path).isDirectory()) return [name, readFileSync(path, "utf8")];
    const inside = readdirSync(path, { recursive: true, encoding: "utf8" }).sort();
    const files = inside.filter((file) => wanted(file) && statSync(join(path, file)).isFile());
    return files.flatMap((file) => [`${name}/${file}`, readFileSync(join(path, file), "utf8")]);
  });
}

/**
 * The folder `<cache>/<kind>-<key>`, made by `make` in a folder aside unless it is there. Callers in other
 * processes wait; if the maker dies, one of them makes it anew.
 */
export async function cached(
  cache: string,
  kind: string,
  key: string,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(cache, `${kind}-${key}`);
  mkdirSync(cache, { recursive: true });
  while (!existsSync(folder)) {
    const release = await lockOrWait(keyOf([folder]));
    if (release === undefined) continue;
    try {
      if (!existsSync(folder)) await makeAside(cache, `${kind}-${key}`, make);
    } finally {
      await release();
    }
  }
  utimesSync(folder, new Date(), new Date());
  return folder;
}

/** The caller holds the lock of this name. */
async function makeAside(
  cache: string,
  name: string,
  make: (folder: string) => Promise<void>,
): Promise<void> {
  const aside = join(cache, `.${name}`);
  const old = Date.now() - KEEP_MS;
  for (const path of readdirSync(cache).map((other) => join(cache, other))) {
    if (path === aside || statSync(path).mtimeMs < old) rmSync(path, { recursive: true, force: true });
  }
  mkdirSync(aside);
  try {
    await make(aside);
    renameSync(aside, join(cache, name));
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

/**
 * Takes a lock that the kernel gives back when its holder ends, however it ends: a listening abstract socket.
 * Answers how to let go; if another process holds it, waits until that one lets go and answers undefined.
 */
async function lockOrWait(name: string): Promise<(() => Promise<void>) | undefined> {
  const path = `\0shoal-cache-${name}`;
  const waiting = new Set<Socket>();
  const server = createServer((socket) => {
    waiting.add(socket.on("error", () => undefined));
  });
  if (!(await listened(server, path))) {
    const holder = connect(path);
    // However it ends, the holder let go. (`once` would throw for an "error".)
    holder.on("error", () => undefined).resume();
    await new Promise((resolve) => holder.on("close", resolve));
    return undefined;
  }
  return async () => {
    for (const socket of waiting) socket.destroy();
    server.close();
    await once(server, "close");
  };
}

/** Whether nobody else listens there. */
function listened(server: Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once("listening", () => resolve(true));
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    });
    server.listen(path);
  });
}
