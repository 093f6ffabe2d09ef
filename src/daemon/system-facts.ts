import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, release, totalmem } from "node:os";
import { join } from "node:path";
import type { SystemInfo } from "../api/index.ts";
import { type Clock, type Instant, newId, type Random } from "../lib/index.ts";
import { exec } from "../sys/index.ts";
import type { Config } from "./config.ts";
import { ForwardDrops, forwardDropWarnings } from "./forward-drops.ts";

/** Facts of this machine for `docker info`; programs are asked their version once. */
export class SystemFacts {
  readonly startedAt: Instant;
  readonly #config: Config;
  readonly #forwardDrops: ForwardDrops;
  readonly #identity: { readonly id: string; readonly version: string };
  /** What does not change is read once: some files of /proc take the kernel, when it is busy, up to 200 ms to fill. */
  readonly #machine = { cpus: availableParallelism(), memoryBytes: totalmem(), os: osRelease() };
  #versions: Promise<{ containerd: string; runc: string }> | undefined;

  constructor(config: Config, identity: { id: string; version: string }, clock: Clock) {
    this.#config = config;
    this.#identity = identity;
    this.startedAt = clock.now();
    this.#forwardDrops = new ForwardDrops(clock, () => forwardDropWarnings(config["kernel-tag"]));
  }

  async info(): Promise<SystemInfo> {
    this.#versions ??= askVersions();
    const { containerd, runc } = await this.#versions;
    const warnings = await this.#forwardDrops.warnings();
    const { os, cpus, memoryBytes } = this.#machine;
    return {
      id: this.#identity.id,
      version: this.#identity.version,
      hostname: this.#config.hostname,
      kernelVersion: release(),
      operatingSystem: os["PRETTY_NAME"] ?? "Linux",
      osVersion: os["VERSION_ID"] ?? "",
      architecture: MACHINES[process.arch] ?? process.arch,
      cpus,
      memoryBytes,
      dataRoot: this.#config["data-root"],
      labels: this.#config.labels,
      cgroupVersion: existsSync("/sys/fs/cgroup/cgroup.controllers") ? "2" : "1",
      cgroupDriver: "cgroupfs",
      containerdVersion: containerd,
      runcVersion: runc,
      registryMirrors: this.#config["registry-mirrors"],
      insecureRegistries: this.#config["insecure-registries"],
      warnings,
    };
  }
}

/** This engine's id: made at its first start, the same ever after. */
export function engineId(dataRoot: string, random: Random): string {
  const file = join(dataRoot, "engine-id");
  if (!existsSync(file)) writeFileSync(file, newId(random), { mode: 0o600 });
  return readFileSync(file, "utf8");
}

/** uname's words for Node's. */
const MACHINES: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64", arm: "armv7l" };

async function askVersions(): Promise<{ containerd: string; runc: string }> {
  const [containerd, runc] = await Promise.all([
    firstLine(["containerd", "--version"]),
    firstLine(["runc", "--version"]),
  ]);
  return {
    containerd: containerd.split(" ")[2] ?? "",
    runc: runc.replace(/^runc version /, ""),
  };
}

async function firstLine(argv: readonly [string, ...string[]]): Promise<string> {
  const result = await exec(argv).catch(() => undefined);
  return result?.stdout.split("\n")[0] ?? "";
}

/** The pairs of os-release(5). */
function osRelease(): Record<string, string> {
  if (!existsSync("/etc/os-release")) return {};
  const lines = readFileSync("/etc/os-release", "utf8").split("\n");
  const pairs = lines.flatMap((line) => {
    const [, key, value] = /^([A-Z_]+)="?(.*?)"?$/.exec(line) ?? [];
    return key === undefined || value === undefined ? [] : [[key, value] as const];
  });
  return Object.fromEntries(pairs);
}
