import {
  accessSync,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { Fault } from "../lib/index.ts";
import {
  type BytePath,
  bytePath,
  bytesOf,
  heldPath,
  localPath,
  nameIn,
  shownPath,
  splitPath,
} from "./byte-path.ts";
import { makeNode, release, setAttribute } from "./libc.ts";
import { found } from "./path-stat.ts";
import { decodeEntry, paddingOf, type TakeBytes, type TarEntry } from "./tar.ts";
import {
  codeOf,
  holding,
  madeFolder,
  namesIn,
  openFolder,
  openName,
  openPath,
  statOf,
  unlessMissing,
} from "./tree.ts";

const { S_IFMT, S_IFDIR, S_IFLNK, S_IFIFO, S_IFCHR, S_IFBLK } = constants;

const CHUNK_BYTES = 1 << 18;
/** Attributes that are taken from archives: what overlayfs and security modules keep for themselves is not a client's to say. */
const TAKEN = /^(user\..+|security\.capability)$/;
/** What file systems can keep, in seconds. */
const LAST_TIME = 2 ** 33;

export interface UnpackOptions {
  /** The archive. Fewer bytes than asked for at its end alone. */
  readonly take: TakeBytes;
  /** A folder does not take a file's place, nor a file a folder's. */
  readonly keepsKinds: boolean;
  /** Whose the files are to be; absent: as the archive says. */
  readonly owner?: { readonly uid: number; readonly gid: number };
}

interface Unpacking extends UnpackOptions {
  /** The folder that is unpacked into: for what the archive holds it is the root. */
  readonly folder: number;
  readonly path: string;
  /** Theirs is set last: what is put into a folder changes it. */
  readonly folderTimes: Map<BytePath, number>;
}

/**
 * Unpacks an archive in the folder at a client's path. What it holds stays in there: its names are resolved by the kernel with that folder
 * as their root, links and all, and each step is taken from a folder that is held. Faults: "not-found"; "invalid" in Docker's words for what
 * is no folder, is read-only, or is in the way, and for what is no archive.
 */
export function unpackTree(root: number, path: string, options: UnpackOptions): void {
  const folder = found(() => openPath(root, `/${bytePath(path)}`));
  holding(folder, () => {
    if (!isFolder(folder)) throw new Fault("invalid", "extraction point is not a directory");
    checkWritable(root, folder);
    const unpacking = { ...options, folder, path, folderTimes: new Map<BytePath, number>() };
    for (let entry = decodeEntry(options.take); entry !== undefined; entry = decodeEntry(options.take)) {
      named(entry, () => unpackEntry(unpacking, entry as TarEntry));
    }
    for (const [name, mtime] of unpacking.folderTimes) {
      unlessMissing(() =>
        holding(openFolder(folder, name), (fd) =>
          utimesSync(heldPath(fd), boundTime(mtime), boundTime(mtime)),
        ),
      );
    }
  });
}

/** An error of the machine's, as a sentence with the entry's name. */
function named(entry: TarEntry, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof Fault) throw error;
    const name = shownPath(entry.name);
    if (codeOf(error) === "EROFS") throw new Fault("invalid", `cannot write ${name}: it is read-only there`);
    const reason = (error as Error).message.replace(/, \w+ '.*$/s, "");
    throw new Fault("internal", `cannot write ${name}: ${reason}`, { cause: error });
  }
}

function isFolder(fd: number): boolean {
  return (Number(statOf(fd).mode) & S_IFMT) === S_IFDIR;
}

/** moby daemon/archive_unix.go checkWritablePath. */
function checkWritable(root: number, folder: number): void {
  try {
    accessSync(heldPath(folder), constants.W_OK);
  } catch (error) {
    if (codeOf(error) !== "EROFS") throw error;
    const isRoots = mountOf(root) === mountOf(folder);
    throw new Fault(
      "invalid",
      isRoots ? "container rootfs is marked read-only" : "mounted volume is marked read-only",
    );
  }
}

/** The number of the mount that a held file is on (proc(5), fdinfo). */
function mountOf(fd: number): string | undefined {
  return /^mnt_id:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
}

function unpackEntry(unpacking: Unpacking, entry: TarEntry): void {
  const local = localPath(entry.name);
  if (local === undefined) throw new Fault("invalid", `invalid entry name "${shownPath(entry.name)}"`);
  if (local === "") {
    takeBody(unpacking.take, entry.size, () => {});
    return;
  }
  const [parent, name] = splitPath(local);
  holding(madeFolder(unpacking.folder, parent), (folder) => {
    makeRoom(unpacking, entry, { folder, name });
    if (entry.kind === "link") return linkEntry(unpacking, entry, { folder, name });
    const fd = MAKE[entry.kind](unpacking, entry, { folder, name });
    holding(fd, () => dress(unpacking, entry, fd));
    if (entry.kind === "folder") unpacking.folderTimes.set(local, entry.mtime);
  });
}

interface Place {
  readonly folder: number;
  readonly name: BytePath;
}

/** What is there goes, unless both are folders. */
function makeRoom({ keepsKinds, path }: Unpacking, entry: TarEntry, { folder, name }: Place): void {
  const there = openName(folder, name);
  if (there === undefined) return;
  holding(there, () => {
    const [was, is] = [isFolder(there), entry.kind === "folder"];
    if (keepsKinds && was !== is) {
      const [full, dest] = [shownPath(`${bytePath(path).replace(/\/+$/, "")}/${entry.name}`), path];
      throw new Fault(
        "invalid",
        was
          ? `cannot overwrite directory "${full}" with non-directory "${dest}"`
          : `cannot overwrite non-directory "${full}" with directory "${dest}"`,
      );
    }
    if (!(was && is)) removeName(folder, name);
  });
}

/** With all that is in it; by descriptor, so that nothing is followed. */
function removeName(folder: number, name: BytePath): void {
  const fd = openName(folder, name);
  if (fd === undefined) return;
  holding(fd, () => {
    if (!isFolder(fd)) return unlinkSync(nameIn(folder, name));
    for (const inner of namesIn(fd)) removeName(fd, inner);
    rmdirSync(nameIn(folder, name));
  });
}

type Make = (unpacking: Unpacking, entry: TarEntry, place: Place) => number;

/** Makes the file, and holds it. */
const MAKE: Readonly<Record<Exclude<TarEntry["kind"], "link">, Make>> = {
  file: makeFile,
  folder(_, __, { folder, name }) {
    try {
      mkdirSync(nameIn(folder, name), 0o700);
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
    }
    return held({ folder, name }, S_IFDIR);
  },
  symlink(_, { target }, place) {
    symlinkSync(bytesOf(target), nameIn(place.folder, place.name));
    return held(place, S_IFLNK);
  },
  fifo: (_, entry, place) => makeSpecial(S_IFIFO, entry, place),
  character: (_, entry, place) => makeSpecial(S_IFCHR, entry, place),
  block: (_, entry, place) => makeSpecial(S_IFBLK, entry, place),
};

/** What was made, unless the container has put something of another kind in its place since: that is not to be dressed up. */
function held({ folder, name }: Place, kind: number): number {
  const fd = openName(folder, name);
  if (fd !== undefined && (Number(statOf(fd).mode) & S_IFMT) === kind) return fd;
  if (fd !== undefined) release(fd);
  throw new Fault("conflict", `cannot write ${shownPath(name)}: the container has replaced it`);
}

function makeSpecial(kind: number, { device }: TarEntry, place: Place): number {
  makeNode(nameIn(place.folder, place.name), kind | 0o600, device);
  return held(place, kind);
}

function makeFile({ take }: Unpacking, { size }: TarEntry, { folder, name }: Place): number {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const fd = openSync(nameIn(folder, name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    takeBody(take, size, (bytes) => writeAll(fd, bytes));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

function takeBody(take: TakeBytes, size: number, use: (bytes: Buffer) => void): void {
  const some = (bytes: number): Buffer => {
    const taken = take(bytes);
    if (taken.length < bytes) throw new Fault("invalid", "cannot read the archive: unexpected EOF");
    return taken;
  };
  for (let left = size; left > 0; left -= CHUNK_BYTES) use(some(Math.min(left, CHUNK_BYTES)));
  some(paddingOf(size));
}

/** Another name for a file that is there. */
function linkEntry({ folder: root }: Unpacking, entry: TarEntry, { folder, name }: Place): void {
  const local = localPath(entry.target);
  if (local === undefined || local === "") {
    throw new Fault("invalid", `invalid hardlink target "${shownPath(entry.target)}"`);
  }
  const [parent, target] = splitPath(local);
  holding(openFolder(root, parent === "" ? "." : parent), (from) =>
    linkSync(nameIn(from, target), nameIn(folder, name)),
  );
}

/** Owner first: a change of it takes bits and capabilities away. */
function dress({ owner }: Unpacking, entry: TarEntry, fd: number): void {
  const path = heldPath(fd);
  const { uid, gid } = owner ?? entry;
  chownSync(path, uid, gid);
  const time = boundTime(entry.mtime);
  if (entry.kind !== "symlink") chmodSync(path, entry.mode);
  for (const [name, value] of Object.entries(entry.attributes)) {
    if (TAKEN.test(name)) setAttribute(path, name, value);
  }
  utimesSync(path, time, time);
}

function boundTime(seconds: number): number {
  return Math.min(Math.max(seconds, 0), LAST_TIME);
}
