import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  type HostParts,
  type LabRecord,
  labDown,
  labSwarm,
  labUp,
  newLab,
  preparedImages,
} from "../lab/index.ts";
import { Fault } from "../lib/index.ts";
import { systemClock } from "../sys/index.ts";
import type { UpWords } from "./words.ts";

/** How labs start their shoald: the built one that lies beside this file. */
export const parts: HostParts = {
  clock: systemClock,
  shoald: [process.execPath, join(import.meta.dirname, "../daemon/main.js")],
};

/** What a shell says of a program that Ctrl-C ended. */
const INTERRUPTED = 130;

/** Makes a lab, or on Ctrl-C nothing; the record, or the exit code when it was interrupted. */
export async function makeLab(words: UpWords): Promise<LabRecord | number> {
  if (process.getuid?.() !== 0) {
    throw new Fault("forbidden", "cannot make a lab: run it as root (it makes network namespaces)");
  }
  const images = imagesOf(words.images);
  const { name, hosts, uplink, settings } = words;
  const stop = new AbortController();
  const interrupt = () => {
    if (!stop.signal.aborted) process.stderr.write("shoal: interrupted: taking the lab away\n");
    stop.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, interrupt);
  const lab = newLab({ name, hosts, uplink, settings, ...(images !== undefined && { images }) });
  try {
    await labUp(lab, { ...parts, signal: stop.signal });
    if (words.swarm) await joined(lab, stop.signal);
    return lab;
  } catch (error) {
    if (stop.signal.aborted) return INTERRUPTED;
    throw error;
  }
}

/** The swarm of a lab that is up; when that fails the lab goes away. */
async function joined(lab: LabRecord, signal: AbortSignal): Promise<void> {
  try {
    await labSwarm(lab, signal);
  } catch (error) {
    await labDown(lab, systemClock);
    throw error;
  }
}

/** The registry folder to serve: the one that was said, none, or what this checkout has prepared. */
function imagesOf(said: string | undefined): string | undefined {
  if (said === "none") return undefined;
  if (said === undefined) return preparedImages(resolve(import.meta.dirname, "../.."));
  if (!existsSync(join(said, "docker/registry/v2"))) {
    throw new Fault("invalid", `cannot serve images of ${said}: it is no docker-registry's storage folder`);
  }
  return resolve(said);
}
