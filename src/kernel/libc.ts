import { getSystemErrorMap } from "node:util";
import koffi from "koffi";
import { Fault } from "../lib/index.ts";

const CLONE_NEWNET = 0x40000000;
const MS_BIND = 0x1000;
const MNT_DETACH = 2;

/** The C functions that this room calls, declared in one place: a wrong signature here is a crash, so nothing else in it loads libraries. */
interface Libc {
  prctl(option: number, a: number, b: number, c: number, d: number): number;
  setns(fd: number, type: number): number;
  unshare(flags: number): number;
  mount(source: string, target: string, type: string | null, flags: number, data: null): number;
  umount2(target: string, flags: number): number;
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  getsockname(fd: number, address: Uint8Array, length: Uint8Array): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  send(fd: number, data: Uint8Array, length: number, flags: number): number;
  recv(fd: number, data: Uint8Array, length: number, flags: number): number;
  ioctl(fd: number, request: number, argument: Uint8Array): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, fd: number, event: Uint8Array | null): number;
  epoll_wait(epoll: number, events: Uint8Array, count: number, timeoutMs: number): number;
}

const SIGNATURES: readonly string[] = [
  "int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)",
  "int setns(int fd, int type)",
  "int unshare(int flags)",
  "int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)",
  "int umount2(const char *target, int flags)",
  "int socket(int domain, int type, int protocol)",
  "int bind(int fd, const void *address, unsigned int length)",
  "int getsockname(int fd, void *address, void *length)",
  "int setsockopt(int fd, int level, int name, const void *value, unsigned int length)",
  "long send(int fd, const void *data, size_t length, int flags)",
  "long recv(int fd, void *data, size_t length, int flags)",
  "int ioctl(int fd, unsigned long request, void *argument)",
  "int epoll_create1(int flags)",
  "int epoll_ctl(int epoll, int operation, int fd, const void *event)",
  "int epoll_wait(int epoll, void *events, int count, int timeout)",
];

let loaded: Libc | undefined;

export function libc(): Libc {
  if (loaded === undefined) {
    const library = koffi.load("libc.so.6");
    const functions = SIGNATURES.map((text) => library.func(text));
    loaded = Object.fromEntries(functions.map((f) => [f.info.name, f])) as unknown as Libc;
  }
  return loaded;
}

/** The result of a C call, or a Fault that says what errno means. */
export function checked(result: number, what: string): number {
  if (result >= 0) return result;
  throw new Fault("internal", `cannot ${what}: ${errnoText(koffi.errno())}`);
}

export function errno(): number {
  return koffi.errno();
}

/** "no such device" for 19. */
export function errnoText(code: number): string {
  return getSystemErrorMap().get(-code)?.[1] ?? `error ${code}`;
}

/** Moves this thread to another network namespace. */
export function joinNetns(fd: number): number {
  return libc().setns(fd, CLONE_NEWNET);
}

/** Moves this thread to a new, empty network namespace. */
export function newNetns(): number {
  return libc().unshare(CLONE_NEWNET);
}

export function bindMount(source: string, target: string): void {
  checked(libc().mount(source, target, null, MS_BIND, null), `mount ${source} on ${target}`);
}

export function unmount(target: string): void {
  checked(libc().umount2(target, MNT_DETACH), `unmount ${target}`);
}

/** Runs `work` with the address of two 32-bit words, for requests that hold a pointer; what the words are then. */
export function withWords(words: readonly [number, number], work: (address: bigint) => void): number[] {
  const type = koffi.array("uint32_t", words.length, "Array");
  const memory = koffi.alloc("uint32_t", words.length);
  try {
    koffi.encode(memory, type, [...words]);
    work(koffi.address(memory));
    return koffi.decode(memory, type);
  } finally {
    koffi.free(memory);
  }
}
