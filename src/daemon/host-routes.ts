import { existsSync, readFileSync } from "node:fs";
import { formatCidr } from "../lib/index.ts";

/** Rows of route(8)'s file: "eth0 000A0A0A 00000000 0001 0 0 0 00FFFFFF …": device, destination, gateway, flags, …, mask. */
const MASK_COLUMN = 7;

/** The IPv4 subnets that the host's main table has routes to, but by devices that are ours; the default route is none. */
export function hostRoutes(isOurs: (device: string) => boolean, file = "/proc/net/route"): string[] {
  if (!existsSync(file)) return [];
  const rows = readFileSync(file, "utf8").trim().split("\n").slice(1);
  return rows.flatMap((row) => {
    const columns = row.trim().split(/\s+/);
    const [device = "", destination = ""] = columns;
    const bits = bitsOf(swapped(columns[MASK_COLUMN] ?? ""));
    return isOurs(device) || bits === 0 ? [] : [formatCidr({ base: swapped(destination), bits })];
  });
}

/** "0011A8C0" as the kernel of a little-endian machine prints 192.168.17.0. */
function swapped(hex: string): number {
  return Buffer.from(hex, "hex").readUInt32LE(0);
}

function bitsOf(mask: number): number {
  return mask.toString(2).replaceAll("0", "").length;
}
