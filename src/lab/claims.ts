import { mkdirSync, readlinkSync, symlinkSync, unlinkSync } from "node:fs";
import { Fault } from "../lib/index.ts";
import { CLAIMS_ROOT } from "./paths.ts";

/** Which lab has which subnet: one symbolic link each, because making one is atomic and exclusive (symlink(2)). */

const SUBNETS = 250;

/** Takes the first free N of the subnets 172.31.N.0/24. Fault "unavailable" when all are taken. */
export function claimSubnet(name: string): number {
  mkdirSync(CLAIMS_ROOT, { recursive: true, mode: 0o711 });
  for (let index = 0; index < SUBNETS; index++) {
    if (claim(index, name)) return index;
  }
  throw new Fault("unavailable", `cannot make a lab: all ${SUBNETS} subnets are taken: see ${CLAIMS_ROOT}`);
}

/** Gives a lab's subnet back; nothing happens when it is another's by now. */
export function releaseSubnet(lab: { readonly name: string; readonly index: number }): void {
  if (holderOf(lab.index) === lab.name) unlinkSync(pathOf(lab.index));
}

function claim(index: number, name: string): boolean {
  try {
    symlinkSync(name, pathOf(index));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function holderOf(index: number): string | undefined {
  try {
    return readlinkSync(pathOf(index));
  } catch {
    return undefined; // nobody's
  }
}

function pathOf(index: number): string {
  return `${CLAIMS_ROOT}/${index}`;
}
