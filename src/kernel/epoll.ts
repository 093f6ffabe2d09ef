import { closeSync } from "node:fs";
import { checked, libc } from "./libc.ts";

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
/** struct epoll_event: events, data. Packed on x86 only. */
const DATA_AT = process.arch === "x64" ? 4 : 8;
const EVENT_BYTES = DATA_AT + 8;
const MAX_EVENTS = 64;

/**
 * Tells which of many descriptors have something to read, for those that Node's own loop does not take (netlink sockets).
 * It is asked, and never waits: a waiting thread would be one of Node's four, and an exit of the process would wait too.
 */
export class Epoll {
  readonly #fd: number = checked(libc().epoll_create1(EPOLL_CLOEXEC), "wait for the kernel");
  readonly #events: Buffer = Buffer.alloc(EVENT_BYTES * MAX_EVENTS);

  /** A descriptor leaves by itself when it is closed. */
  add(fd: number): void {
    const event = Buffer.alloc(EVENT_BYTES);
    event.writeUInt32LE(EPOLLIN, 0);
    event.writeUInt32LE(fd, DATA_AT);
    checked(libc().epoll_ctl(this.#fd, EPOLL_CTL_ADD, fd, event), "wait for the kernel");
  }

  ready(): number[] {
    const count = libc().epoll_wait(this.#fd, this.#events, MAX_EVENTS, 0);
    return Array.from({ length: Math.max(count, 0) }, (_, i) => this.#fdAt(i));
  }

  close(): void {
    closeSync(this.#fd);
  }

  #fdAt(i: number): number {
    return this.#events.readUInt32LE(i * EVENT_BYTES + DATA_AT);
  }
}
