import { closeSync } from "node:fs";
import koffi from "koffi";
import { type BytePath, bytesOf } from "./byte-path.ts";

/*
 * The C functions that the copying program calls and Node has not. They run in a process of its own (copy-program.ts), and in tests; the
 * daemon itself loads none of them.
 */

/** The same on all machines since Linux 5.2 (asm-generic/unistd.h). */
const SYS_OPEN_TREE = 428;
const SYS_MOVE_MOUNT = 429;
const SYS_OPENAT2 = 437;

export const AT_FDCWD = -100;
/** For `fs.open` as well: Node has no name for it. */
export const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;

const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;
const HOW_BYTES = 24;

const OPEN_TREE_CLONE = 1;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;
const MOVE_MOUNT_F_EMPTY_PATH = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;

const CLONE_FS = 0x200;
const CLONE_NEWNS = 0x20000;

export const MS_RDONLY = 1;
export const MS_REMOUNT = 32;
export const MS_BIND = 4096;
const MS_REC = 16384;
const MS_PRIVATE: number = 1 << 18;

interface Functions {
  openat2(sys: number, fd: number, path: Uint8Array, how: Uint8Array, bytes: number): number;
  openTree(sys: number, fd: number, path: Uint8Array, flags: number): number;
  moveMount(
    sys: number,
    from: number,
    fromPath: Uint8Array,
    to: number,
    toPath: Uint8Array,
    flags: number,
  ): number;
  close(fd: number): number;
  unshare(flags: number): number;
  setns(fd: number, kind: number): number;
  mount(
    source: string,
    target: string,
    type: string | null,
    flags: number,
    options: Uint8Array | null,
  ): number;
  mknod(path: Uint8Array, mode: number, device: bigint): number;
  getxattr(path: Uint8Array, name: string, value: Uint8Array, bytes: number): number;
  setxattr(path: Uint8Array, name: Uint8Array, value: Uint8Array, bytes: number, flags: number): number;
}

let loaded: Functions | undefined;

function libc(): Functions {
  if (loaded !== undefined) return loaded;
  const library = koffi.load("libc.so.6");
  const call = (...types: string[]) => library.func("syscall", "long", ["long", ...types]);
  loaded = {
    openat2: call("int", "const void *", "void *", "size_t"),
    openTree: call("int", "const void *", "unsigned int"),
    moveMount: call("int", "const void *", "int", "const void *", "unsigned int"),
    close: library.func("int close(int fd)"),
    unshare: library.func("int unshare(int flags)"),
    setns: library.func("int setns(int fd, int kind)"),
    mount: library.func(
      "int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *options)",
    ),
    mknod: library.func("int mknod(const void *path, unsigned int mode, unsigned long device)"),
    getxattr: library.func("long getxattr(const void *path, const char *name, void *value, size_t bytes)"),
    setxattr: library.func(
      "int setxattr(const void *path, const void *name, const void *value, size_t bytes, int flags)",
    ),
  } as unknown as Functions;
  return loaded;
}

/** Opened by the functions here: Node complains when it closes what it has not opened. */
const foreign = new Set<number>();

function own(fd: number): number {
  foreign.add(fd);
  return fd;
}

/** Closes a descriptor, whoever opened it. */
export function release(fd: number): void {
  if (foreign.delete(fd)) libc().close(fd);
  else closeSync(fd);
}

const EAGAIN = 11;
/** A path that is renamed under our feet is looked up anew so often. */
const MOST_TRIES = 1_000;

/**
 * Opens a path as a process would whose root is `root`: links, "..", all of it is resolved by the kernel, at once, and cannot leave it
 * (openat2(2), RESOLVE_IN_ROOT). An error of Node's kind, with its `code`.
 */
export function openInRoot(root: number, path: BytePath, flags: number): number {
  const how = Buffer.alloc(HOW_BYTES);
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS), 16);
  const text = cText(path === "" ? "." : path);
  for (let tries = 0; ; tries++) {
    const fd = libc().openat2(SYS_OPENAT2, root, text, how, HOW_BYTES);
    if (fd >= 0) return own(fd);
    if (koffi.errno() !== EAGAIN || tries >= MOST_TRIES) return fail("open");
  }
}

/** A copy of a mount, of those in it too unless told otherwise, that is nowhere yet: its descriptor. */
export function cloneMount(
  fd: number,
  path: string,
  { alone = false }: { readonly alone?: boolean } = {},
): number {
  const flags = OPEN_TREE_CLONE | O_CLOEXEC | (alone ? 0 : AT_RECURSIVE) | (path === "" ? AT_EMPTY_PATH : 0);
  const found = libc().openTree(SYS_OPEN_TREE, fd, Buffer.from(`${path}\0`), flags);
  return found >= 0 ? own(found) : fail("open_tree");
}

/** Puts it onto what the other descriptor is of. */
export function attachMount(tree: number, target: number): void {
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  ok(libc().moveMount(SYS_MOVE_MOUNT, tree, cText(""), target, cText(""), flags), "move_mount");
}

/** Gives this thread mounts of its own: what is mounted from now on is gone with it, and nobody else sees it. */
export function ownMounts(): void {
  ok(libc().unshare(CLONE_NEWNS), "unshare");
  mount("none", "/", null, MS_REC | MS_PRIVATE);
}

/** Lets this thread enter other mount namespaces. */
export function leaveSharedFs(): void {
  ok(libc().unshare(CLONE_FS), "unshare");
}

export function enterMounts(fd: number): void {
  ok(libc().setns(fd, CLONE_NEWNS), "setns");
}

export function mount(
  source: string,
  target: string,
  type: string | null,
  flags: number,
  options = "",
): void {
  ok(libc().mount(source, target, type, flags, Buffer.from(`${options}\0`)), "mount");
}

/** `mode` with the kind of file. The last part of the path is made, and never followed. */
export function makeNode(path: Uint8Array, mode: number, { major, minor }: Device): void {
  ok(libc().mknod(cTextOf(path), mode, deviceNumber(major, minor)), "mknod");
}

interface Device {
  readonly major: number;
  readonly minor: number;
}

/** glibc's gnu_dev_makedev. */
function deviceNumber(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (low & 0xffn) | ((high & 0xfffn) << 8n) | ((low & ~0xffn) << 12n) | ((high & ~0xfffn) << 32n);
}

/** `deviceNumber` turned round, of a number as stat has it. */
export function deviceOf(number: bigint): Device {
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & ~0xfffn);
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffffff00n);
  return { major: Number(major & 0xffffffffn), minor: Number(minor) };
}

const MOST_ATTRIBUTE_BYTES = 1 << 16;

/** An extended attribute, as a byte string; undefined when there is none. */
export function attributeOf(path: string, name: string): string | undefined {
  const value = Buffer.alloc(MOST_ATTRIBUTE_BYTES);
  const bytes = libc().getxattr(cTextOf(Buffer.from(path)), name, value, value.length);
  return bytes < 0 ? undefined : value.toString("latin1", 0, bytes);
}

/** Kept where the file system can keep it. */
export function setAttribute(path: string, name: string, value: string): void {
  const bytes = Buffer.from(value, "latin1");
  libc().setxattr(cTextOf(Buffer.from(path)), cText(name), bytes, bytes.length, 0);
}

function cText(path: BytePath): Uint8Array {
  return cTextOf(bytesOf(path));
}

function cTextOf(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes, Buffer.alloc(1)]);
}

function ok(result: number, call: string): void {
  if (result < 0) fail(call);
}

/** As Node's own calls fail. */
function fail(call: string): never {
  const errno = koffi.errno();
  const code = Object.entries(koffi.os.errno).find(([, number]) => number === errno)?.[0] ?? `E${errno}`;
  throw Object.assign(new Error(`${code}: ${call}`), { code, errno, syscall: call });
}
