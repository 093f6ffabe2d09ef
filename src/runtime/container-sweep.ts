import { readdir, rm, rmdir } from "node:fs/promises";
import { type Log, messageOf } from "../lib/index.ts";
import { exec } from "../sys/index.ts";
import { dropFiles } from "./container-files.ts";
import { FILES_FOLDER } from "./container-folder.ts";
import type { MakerParts } from "./container-maker.ts";
import { listContainers, listSnapshots, removeSnapshot } from "./container-store.ts";
import { unmountBelow } from "./mount-points.ts";
import { ROOTFS_PREFIX } from "./rootfs.ts";

/** Takes away what containers left that a crash did not let be made or removed whole. Only before any is made or read. */
export async function sweep({
  client,
  dataDir,
  runDir,
  log,
}: Pick<MakerParts, "client" | "dataDir" | "runDir" | "log">): Promise<void> {
  const known = new Set((await listContainers(client)).map(({ config }) => config.id));
  const isStray = (name: string): boolean => !known.has(name);
  for (const dir of [dataDir, runDir]) {
    for (const name of (await namesIn(dir)).filter(isStray)) await take(`${dir}/${name}`, log);
  }
  for (const id of (await listSnapshots(client)).filter(isStray)) {
    log.info("removing what is left of a container", { container: id });
    await removeSnapshot(client, id);
  }
}

async function take(path: string, log: Log): Promise<void> {
  try {
    if (!path.includes(`/${ROOTFS_PREFIX}`)) {
      await dropFiles(`${path}/${FILES_FOLDER}`);
      await unmountBelow(path);
      return await rm(path, { recursive: true, force: true });
    }
    // An image was being read: nothing under a mount may be deleted.
    await exec(["umount", "--lazy", path]);
    await rmdir(path);
  } catch (error) {
    log.warn("cannot remove what is left of a container", { path, error: messageOf(error) });
  }
}

async function namesIn(dir: string): Promise<string[]> {
  return readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
}
