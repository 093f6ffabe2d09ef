import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { Fault } from "../lib/index.ts";
import { claimSubnet, releaseSubnet } from "./claims.ts";
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

/** Writes the record of a new lab, whole or not at all. False when the name is taken: link(2) never replaces. */
function writeLab(lab: LabRecord): boolean {
  const { state, record } = labPaths(lab.name);
  mkdirSync(state, { recursive: true, mode: 0o711 });
  const draft = `${record}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(lab));
  try {
    linkSync(draft, record);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    unlinkSync(draft);
  }
}

export function allLabs(): LabRecord[] {
  if (!existsSync(LABS_ROOT)) return [];
  return readdirSync(LABS_ROOT).flatMap((name) => {
    try {
      return [readLab(name)];
    } catch {
      return []; // no lab's folder, or one that just went away
    }
  });
}

/**
 * The record of a new lab, which has its name and subnet from now on until it is taken down. Two made at the same
 * time, by whichever processes, never share either. Faults: "invalid" name or number of hosts, "exists".
 */
export function newLab(options: Omit<LabRecord, "index" | "hosts"> & { hosts: number }): LabRecord {
  if (!NAME_REGEXP.test(options.name)) {
    throw new Fault("invalid", `cannot name a lab ${options.name}: use up to 16 letters, digits and dashes`);
  }
  if (!Number.isInteger(options.hosts) || options.hosts < 1 || options.hosts > 50) {
    throw new Fault("invalid", "cannot make a lab: --hosts must be from 1 to 50");
  }
  const index = claimSubnet(options.name);
  const hosts = Array.from({ length: options.hosts }, (_, i) => String(i + 1));
  const lab = { ...options, index, hosts };
  if (writeLab(lab)) return lab;
  releaseSubnet(lab);
  throw new Fault(
    "exists",
    `a lab named ${options.name} is up already: shoal lab down --name ${options.name}`,
  );
}

/** The outside client and the image registry: hosts that are not of the swarm. */
export const CLIENT = "client";
export const REGISTRY = "registry";
export const REGISTRY_PORT = 5000;

/** The host's name, if it is one that runs a shoald. Fault "not-found" otherwise. */
export function swarmHost(lab: LabRecord, host: string): string {
  if (lab.hosts.includes(host)) return host;
  throw new Fault("not-found", `lab ${lab.name} has no docker host ${host}: it has ${lab.hosts.join(", ")}`);
}

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
