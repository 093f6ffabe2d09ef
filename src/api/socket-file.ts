import { chmod, chown, lstat, mkdir, readFile, unlink } from "node:fs/promises";
import { connect } from "node:net";
import { dirname } from "node:path";
import { Fault } from "../lib/index.ts";

/** Makes room for a socket: a dead one is removed; a living one, or a file of another kind, is a Fault. */
export async function clearSocketPath(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new Fault("precondition", `cannot listen on unix://${path}: that file is no socket`);
  }
  if (await answers(path)) {
    throw new Fault("exists", `cannot listen on unix://${path}: another daemon listens there`);
  }
  await unlink(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (isAlive: boolean) => {
      socket.destroy();
      resolve(isAlive);
    };
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false));
  });
}

/** Root and the group may use the socket; root alone on a machine without the group. */
export async function protectSocket(path: string, group: string): Promise<void> {
  const gid = await groupId(group);
  if (gid !== undefined) await chown(path, process.getuid?.() ?? 0, gid);
  await chmod(path, 0o660);
}

async function groupId(name: string): Promise<number | undefined> {
  const groups = await readFile("/etc/group", "utf8").catch(() => "");
  const row = groups.split("\n").find((line) => line.startsWith(`${name}:`));
  return row === undefined ? undefined : Number(row.split(":")[2]);
}
