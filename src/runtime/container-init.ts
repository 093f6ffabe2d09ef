import { constants } from "node:fs";
import { access, realpath } from "node:fs/promises";
import { Fault } from "../lib/index.ts";

/** Where a small static init may be; a dynamic one would not find its libraries in most images. */
const CANDIDATES: readonly string[] = [
  "/usr/bin/docker-init",
  "/usr/libexec/docker/docker-init",
  "/usr/local/bin/docker-init",
  "/usr/bin/tini-static",
  "/usr/libexec/podman/catatonit",
  "/usr/bin/catatonit",
];

/** This machine's init for containers that ask for one. Fault "unsupported" when it has none. */
export async function findInit(candidates: readonly string[] = CANDIDATES): Promise<string> {
  for (const path of candidates) {
    try {
      await access(path, constants.X_OK);
      return await realpath(path);
    } catch {}
  }
  throw new Fault(
    "unsupported",
    "cannot run an init in the container: this machine has no docker-init, tini-static or catatonit",
  );
}
