import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../lib/index.ts";
import type { DeviceShare } from "./container.ts";
import type { OciDevice, OciDeviceRule } from "./oci.ts";

/** A device of the host as a container has it, and what it may do with it. */
export interface DeviceNode {
  readonly device: OciDevice;
  readonly rule: OciDeviceRule;
}

const HOST_DEVICES = "/dev";
/** What is not the machine's, or is a container's own (moby's runc libcontainer/devices). */
const NOT_DEVICES: ReadonlySet<string> = new Set(["pts", "shm", "fd", "mqueue", ".udev", "console"]);
const PERMISSIONS = 0o777;

/** The devices that were asked for; a folder stands for all in it. Faults "invalid" in Docker's words for what is no device. */
export async function sharedDevices(asked: readonly DeviceShare[]): Promise<DeviceNode[]> {
  const found = await Promise.all(asked.map(devicesAt));
  return found.flat();
}

/** Every device of the host, for a privileged container. */
export async function allDevices(): Promise<DeviceNode[]> {
  return nodesUnder({ source: HOST_DEVICES, target: HOST_DEVICES, access: "rwm" });
}

async function devicesAt(share: DeviceShare): Promise<DeviceNode[]> {
  const { source } = share;
  const found = await stat(source).catch(() => undefined);
  const nodes = found?.isDirectory() ? await nodesUnder(share) : await nodeAt(share);
  if (nodes.length > 0) return nodes;
  const why = found === undefined ? "no such file or directory" : "not a device node";
  throw new Fault(
    "invalid",
    `error gathering device information while adding custom device "${source}": ${why}`,
  );
}

async function nodesUnder({ source, target, access }: DeviceShare): Promise<DeviceNode[]> {
  const entries = await readdir(source, { withFileTypes: true }).catch(() => []);
  const wanted = entries.filter((entry) => !NOT_DEVICES.has(entry.name) && !entry.isSymbolicLink());
  const found = await Promise.all(
    wanted.map((entry) => {
      const inner = { source: join(source, entry.name), target: join(target, entry.name), access };
      return entry.isDirectory() ? nodesUnder(inner) : nodeAt(inner);
    }),
  );
  return found.flat();
}

async function nodeAt({ source, target, access }: DeviceShare): Promise<DeviceNode[]> {
  const found = await stat(source).catch(() => undefined);
  if (found === undefined || !(found.isCharacterDevice() || found.isBlockDevice())) return [];
  const type = found.isBlockDevice() ? "b" : "c";
  const { major, minor } = numbersOf(found.rdev);
  const fileMode = found.mode & PERMISSIONS;
  const device = { type, path: target, major, minor, fileMode, uid: found.uid, gid: found.gid } as const;
  return [{ device, rule: { allow: true, type, major, minor, access } }];
}

/** The two halves of a device's number (glibc's gnu_dev_major, gnu_dev_minor). */
export function numbersOf(rdev: number): { readonly major: number; readonly minor: number } {
  const bits = BigInt(rdev);
  const major = ((bits >> 8n) & 0xfffn) | ((bits >> 32n) & ~0xfffn);
  const minor = (bits & 0xffn) | ((bits >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor) };
}
