import { readSync, writeSync } from "node:fs";
import { Fault } from "../lib/index.ts";
import { changesOf } from "./changes.ts";
import { ANSWERS, type Answer, type Order } from "./order.ts";
import { KERNEL_FOLDERS, packAll, packPath } from "./pack-tree.ts";
import { type PathStat, statPath } from "./path-stat.ts";
import type { RootPlace } from "./root-place.ts";
import { unpackTree } from "./unpack-tree.ts";
import { Gone, openRoot } from "./view.ts";

/*
 * Copies the files of one container, and ends: a process of its own, so that a file system that hangs, or a client that stalls, holds up
 * nothing but itself, and is ended from outside. What it mounts is gone with it. It runs nothing of the container's and loads nothing of it.
 */

const INPUT = 0;
const OUTPUT = 1;
const CHUNK_BYTES = 1 << 18;

let unread = Buffer.alloc(0);

/** What comes in next: so many bytes, fewer at its end. */
function take(bytes: number): Buffer {
  while (unread.length < bytes) {
    const more = Buffer.allocUnsafe(Math.max(CHUNK_BYTES, bytes - unread.length));
    const got = readSync(INPUT, more);
    if (got === 0) break;
    unread = Buffer.concat([unread, more.subarray(0, got)]);
  }
  const taken = unread.subarray(0, bytes);
  unread = unread.subarray(bytes);
  return taken;
}

function takeLine(): string {
  let line = "";
  for (let byte = take(1); byte.length > 0 && byte[0] !== 0x0a; byte = take(1))
    line += byte.toString("latin1");
  return Buffer.from(line, "latin1").toString("utf8");
}

const gathered = Buffer.allocUnsafe(CHUNK_BYTES);
let gatheredBytes = 0;

function write(bytes: Uint8Array): void {
  if (gatheredBytes + bytes.length > gathered.length || bytes.length > gathered.length / 2) flush();
  if (bytes.length > gathered.length / 2) writeAll(OUTPUT, bytes);
  else {
    gathered.set(bytes, gatheredBytes);
    gatheredBytes += bytes.length;
  }
}

function flush(): void {
  writeAll(OUTPUT, gathered.subarray(0, gatheredBytes));
  gatheredBytes = 0;
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

function say(answer: Answer): void {
  writeAll(ANSWERS, Buffer.from(`${JSON.stringify(answer)}\n`));
}

const sayStat = (stat: PathStat): void => say({ say: "stat", stat: { ...stat, mtime: String(stat.mtime) } });

/** Whoever gave the order hears of it when there is a root to look into. */
function open(place: RootPlace, how?: { readonly bare: boolean }): number {
  const root = openRoot(place, how);
  say({ say: "ready" });
  return root;
}

const DO: { readonly [K in Order["do"]]: (order: Extract<Order, { do: K }>) => void } = {
  stat: ({ place, path }) => sayStat(statPath(open(place), path)),
  read({ place, path }) {
    const closed = place.kind === "running" ? KERNEL_FOLDERS : [];
    packPath(open(place), path, { write, closed, tell: sayStat });
    flush();
  },
  write: ({ place, path, ...words }) => unpackTree(open(place), path, { ...words, take }),
  export({ place }) {
    packAll(open(place, { bare: true }), { write });
    flush();
  },
  changes: ({ snapshot }) => say({ say: "changes", changes: changesOf(snapshot) }),
};

function lastWord(work: () => void): Answer {
  try {
    work();
    return { say: "done" };
  } catch (error) {
    if (error instanceof Gone) return { say: "gone" };
    const { kind, message } = Fault.from(error, "cannot copy files");
    return { say: "fault", kind, message };
  }
}

say(
  lastWord(() => {
    const order = JSON.parse(takeLine()) as Order;
    const run = DO[order.do] as (order: Order) => void;
    run(order);
  }),
);
