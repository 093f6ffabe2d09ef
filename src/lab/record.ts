import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { Fault } from "../lib/index.ts";
import { LABS_ROOT, labPaths } from "./paths.ts";

/** What a lab is, on disk: enough to find, fault and remove it. */
export interface LabRecord {
  readonly name: string;
  /** Third byte of the lab's subnet 172.31.N.0/24; unique among the machine's labs. */
  readonly index: number;
  /** Host names in order: "1", "2", … */
  readonly hosts: readonly string[];
  /** Folder of a registry's storage, served as mirror of docker.io at the host `registry`. */
  readonly images?: string;
  readonly uplink: boolean;
  /** Flags for every shoald, e.g. for tests. */
  readonly settings: Readonly<Record<string, unknown>>;
}

const NAME_REGEXP = /^[a-z0-9][a-z0-9-]{0,15}$/;

/** The lab's record. Fault "not-found" when there is no such lab. */
export function readLab(name: string): LabRecord {
  const { record } = labPaths(name);
  if (!existsSync(record)) throw new Fault("not-found", `no lab named ${name} is up: see shoal lab ls`);
  return JSON.parse(readFileSync(record, "utf8")) as LabRecord;
}

export function writeLab(lab: LabRecord): void {
  const { state, record } = labPaths(lab.name);
  mkdirSync(state, { recursive: true, mode: 0o711 });
  writeFileSync(`${record}.new`, JSON.stringify(lab));
  renameSync(`${record}.new`, record);
}

export function allLabs(): LabRecord[] {
  if (!existsSync(LABS_ROOT)) return [];
  return readdirSync(LABS_ROOT)
    .filter((name) => existsSync(labPaths(name).record))
    .map(readLab);
}

/** A record for a lab that is not up yet. Faults: "invalid" name or number of hosts, "exists". */
export function newLab(options: Omit<LabRecord, "index" | "hosts"> & { hosts: number }): LabRecord {
  if (!NAME_REGEXP.test(options.name)) {
    throw new Fault("invalid", `cannot name a lab ${options.name}: use up to 16 letters, digits and dashes`);
  }
  if (!Number.isInteger(options.hosts) || options.hosts < 1 || options.hosts > 50) {
    throw new Fault("invalid", "cannot make a lab: --hosts must be from 1 to 50");
  }
  const labs = allLabs();
  if (labs.some((lab) => lab.name === options.name)) {
    throw new Fault(
      "exists",
      `a lab named ${options.name} is up already: shoal lab down --name ${options.name}`,
    );
  }
  const used = new Set(labs.map((lab) => lab.index));
  const index = Array.from({ length: 250 }, (_, i) => i).find((i) => !used.has(i));
  if (index === undefined) throw new Fault("unavailable", "cannot make a lab: 250 labs are up");
  return { ...options, index, hosts: Array.from({ length: options.hosts }, (_, i) => String(i + 1)) };
}

/** The outside client and the image registry: hosts that are not of the swarm. */
export const CLIENT = "client";
export const REGISTRY = "registry";
export const REGISTRY_PORT = 5000;

/** A host's address in its lab. Fault "not-found" for a name the lab does not have. */
export function addressOf(lab: LabRecord, host: string): string {
  if (host === CLIENT) return `172.31.${lab.index}.200`;
  if (host === REGISTRY && lab.images !== undefined) return `172.31.${lab.index}.250`;
  if (lab.hosts.includes(host)) return `172.31.${lab.index}.${host}`;
  throw new Fault(
    "not-found",
    `lab ${lab.name} has no host ${host}: it has ${[...lab.hosts, CLIENT].join(", ")}`,
  );
}
