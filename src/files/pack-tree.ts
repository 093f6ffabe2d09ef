import { type BigIntStats, closeSync, constants, openSync, readSync } from "node:fs";
import { Fault } from "../lib/index.ts";
import { type BytePath, bytePath, heldPath, shownPath } from "./byte-path.ts";
import { attributeOf, deviceOf } from "./libc.ts";
import { askedPath, baseOf, found, type PathStat, statOfHeld } from "./path-stat.ts";
import { END_BYTES, encodeEntry, paddingOf, type TarEntry, type TarKind } from "./tar.ts";
import { holding, linkIn, namesIn, openEnd, openFolder, openName, statOf, unlessMissing } from "./tree.ts";

const { S_IFMT, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFCHR, S_IFBLK } = constants;

/** Sockets are not here: as with Docker they are left out. */
const KIND: Readonly<Record<number, TarKind>> = {
  ...{ [S_IFREG]: "file", [S_IFDIR]: "folder", [S_IFLNK]: "symlink", [S_IFIFO]: "fifo" },
  ...{ [S_IFCHR]: "character", [S_IFBLK]: "block" },
};

/** Folders of a running container that are the kernel's: not gone into from above, as Docker does not see them either. */
export const KERNEL_FOLDERS: readonly BytePath[] = ["/proc", "/sys", "/dev"];

/** Of Docker's archives, the only attribute that is kept (moby go-archive ReadSecurityXattrToTarHeader). */
const CAPABILITIES = "security.capability";
const CHUNK_BYTES = 1 << 18;

/** Takes the archive, piece by piece; may hold up the work. The piece's memory is used again. */
export type Write = (bytes: Uint8Array) => void;

interface Packing {
  readonly write: Write;
  /** Names of files that have more than one, by device and inode. */
  readonly linked: Map<string, BytePath>;
  /** Folders that are not gone into, likewise. */
  readonly closed: ReadonlySet<string>;
  readonly buffer: Buffer;
}

/**
 * The file or folder at a client's path, as Docker packs it: under the last part of its path; a link as a link, unless "/" or "/." stands
 * behind it. `tell` is called before the first byte. Everything is held by descriptor: what moves meanwhile is packed or left out, and
 * nothing leads out of the root. Faults: "not-found".
 */
export function packPath(
  root: number,
  path: string,
  { tell, write, closed = [] }: PackOptions & { readonly tell: (stat: PathStat) => void },
): void {
  const bytes = bytePath(path);
  const base = baseOf(`/${bytes}`);
  const name = base === "/" ? "" : base;
  const asked = askedPath(bytes);
  found(() =>
    holding(openEnd(root, asked), (fd) => {
      const stat = statOfHeld(root, fd, bytes);
      const packing = packingOf(root, write, closed);
      const link = stat.linkTarget === "" ? "" : linkAtEnd(root, asked);
      tell(stat);
      addHeld(packing, { fd, name, link, isStart: true });
    }),
  );
  write(Buffer.alloc(END_BYTES));
}

export interface PackOptions {
  readonly write: Write;
  /** Paths of folders that are not gone into. */
  readonly closed?: readonly BytePath[];
}

/** All that is in a root, without the root itself. */
export function packAll(root: number, { write, closed = [] }: PackOptions): void {
  addNames(packingOf(root, write, closed), root, "");
  write(Buffer.alloc(END_BYTES));
}

function packingOf(root: number, write: Write, closed: readonly BytePath[]): Packing {
  const keys = closed.map((path) => unlessMissing(() => holding(openFolder(root, path), (fd) => keyOf(fd))));
  return {
    ...{ write, linked: new Map() },
    closed: new Set(keys.filter((key) => key !== undefined)),
    buffer: Buffer.allocUnsafe(CHUNK_BYTES),
  };
}

function keyOf(fd: number): string {
  return keyOfStat(statOf(fd));
}

function keyOfStat({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

function linkAtEnd(root: number, path: BytePath): BytePath {
  const cut = path.lastIndexOf("/");
  const folder = openFolder(root, path.slice(0, cut + 1));
  return holding(folder, (fd) => linkIn(fd, path.slice(cut + 1)) ?? "");
}

interface Held {
  readonly fd: number;
  readonly name: BytePath;
  readonly link: BytePath;
  readonly isStart?: boolean;
}

function addNames(packing: Packing, folder: number, under: BytePath): void {
  for (const name of namesIn(folder)) {
    const fd = openName(folder, name);
    if (fd === undefined) continue;
    holding(fd, () => {
      const isLink = kindOf(statOf(fd)) === "symlink";
      const link = isLink ? linkIn(folder, name) : "";
      if (link !== undefined) addHeld(packing, { fd, name: `${under}${name}`, link });
    });
  }
}

function addHeld(packing: Packing, { fd, name, link, isStart = false }: Held): void {
  const stat = statOf(fd);
  const kind = kindOf(stat);
  if (kind === undefined) return;
  if (kind === "folder") {
    packing.write(encodeEntry(entryOf(stat, { kind, name: `${name}/`, fd })));
    const isClosed = !isStart && packing.closed.has(keyOfStat(stat));
    if (!isClosed) addNames(packing, fd, `${name}/`);
    return;
  }
  const first = stat.nlink > 1n ? packing.linked.get(keyOfStat(stat)) : undefined;
  if (first !== undefined) {
    packing.write(encodeEntry({ ...entryOf(stat, { kind: "link", name, fd }), target: first }));
    return;
  }
  if (kind === "file") addFile(packing, stat, { fd, name });
  else packing.write(encodeEntry({ ...entryOf(stat, { kind, name, fd }), target: link }));
  if (stat.nlink > 1n) packing.linked.set(keyOfStat(stat), name);
}

function kindOf({ mode }: BigIntStats): TarKind | undefined {
  return KIND[Number(mode) & S_IFMT];
}

/** A regular file, held: opened once more for its bytes. As many as it had; nothing but zeros for what it has lost since. */
function addFile(packing: Packing, stat: BigIntStats, { fd, name }: { fd: number; name: BytePath }): void {
  const { write, buffer } = packing;
  const entry = entryOf(stat, { kind: "file", name, fd });
  const file = openSync(heldPath(fd), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    write(encodeEntry(entry));
    for (let left = entry.size; left > 0; ) {
      const wanted = Math.min(left, buffer.length);
      const got = readFrom(file, buffer, wanted, name);
      if (got === 0) buffer.fill(0, 0, wanted);
      const bytes = got === 0 ? wanted : got;
      write(buffer.subarray(0, bytes));
      left -= bytes;
    }
    write(Buffer.alloc(paddingOf(entry.size)));
  } finally {
    closeSync(file);
  }
}

function readFrom(file: number, buffer: Buffer, bytes: number, name: BytePath): number {
  try {
    return readSync(file, buffer, 0, bytes, null);
  } catch (cause) {
    const reason = (cause as Error).message;
    throw new Fault("internal", `cannot read ${shownPath(name)}: ${reason}`, { cause });
  }
}

function entryOf(
  stat: BigIntStats,
  { kind, name, fd }: { readonly kind: TarKind; readonly name: BytePath; readonly fd: number },
): TarEntry {
  const hasDevice = kind === "character" || kind === "block";
  const capabilities = kind === "file" ? attributeOf(heldPath(fd), CAPABILITIES) : undefined;
  return {
    ...{ kind, name, target: "", mode: Number(stat.mode) & 0o7777 },
    ...{ uid: Number(stat.uid), gid: Number(stat.gid), mtime: Number(stat.mtimeNs / 1_000_000_000n) },
    size: kind === "file" ? Number(stat.size) : 0,
    device: hasDevice ? deviceOf(stat.rdev) : { major: 0, minor: 0 },
    attributes: capabilities === undefined ? {} : { [CAPABILITIES]: capabilities },
  };
}
