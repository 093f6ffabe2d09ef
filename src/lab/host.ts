import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { type Clock, Fault } from "../lib/index.ts";
import { execOk } from "../sys/index.ts";
import { processesIn, removeCgroups } from "./cgroups.ts";
import { plugHost, unplugHost } from "./links.ts";
import { hostPaths } from "./paths.ts";
import {
  endOf,
  forget,
  hasEnded,
  livePid,
  processTree,
  signalAll,
  startDetached,
  waitUntil,
} from "./processes.ts";
import { addressOf, type LabRecord, REGISTRY, REGISTRY_PORT, swarmHost } from "./record.ts";

/** What starting a host needs from outside. */
export interface HostParts {
  readonly clock: Clock;
  /** The argument list that runs shoald, e.g. [node, dist/daemon/main.js]. */
  readonly shoald: readonly string[];
  /** Gives up waiting for programs to start. */
  readonly signal?: AbortSignal;
}

/** Whoever ends is noticed at once: this is for who hangs, and an emulated machine is slow. */
const START_MS = 120_000;
const STOP_MS = 20_000;

/** Brings a host up: its namespace if it is gone, its containerd, its shoald. What runs already is left as it is. */
export async function startHost(lab: LabRecord, host: string, parts: HostParts): Promise<void> {
  const paths = hostPaths(lab.name, swarmHost(lab, host));
  if (!existsSync(paths.netns)) await plugHost(lab, host);
  mkdirSync(paths.data, { recursive: true, mode: 0o700 });
  mkdirSync(paths.run, { recursive: true, mode: 0o711 });
  await startContainerd(lab, host, parts);
  await startDaemon(lab, host, parts);
}

async function startContainerd(lab: LabRecord, host: string, parts: HostParts): Promise<void> {
  const paths = hostPaths(lab.name, host);
  const pidFile = `${paths.run}/containerd.pid`;
  if (livePid(pidFile, paths.containerdSocket) !== undefined) return;
  const config = `${paths.data}/containerd.toml`;
  writeFileSync(config, containerdConfig(lab, host));
  rmSync(paths.containerdSocket, { force: true });
  const argv = ["containerd", "--config", config, "--address", paths.containerdSocket];
  const pid = startDetached({ netns: paths.netns, argv, log: paths.containerdLog, pidFile });
  await waitForSocket(parts, {
    path: paths.containerdSocket,
    pid,
    log: paths.containerdLog,
    what: "containerd",
  });
}

/** Only what shoald uses; the CRI plugin alone would cost a second and 20 MB. */
function containerdConfig(lab: LabRecord, host: string): string {
  const { data, run } = hostPaths(lab.name, host);
  return [
    "version = 2",
    `root = "${data}/containerd"`,
    `state = "${run}/containerd"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]',
    "oom_score = 0",
    "",
  ].join("\n");
}

/** Starts (or restarts) only the host's shoald. */
export async function startDaemon(lab: LabRecord, host: string, parts: HostParts): Promise<void> {
  const paths = hostPaths(lab.name, swarmHost(lab, host));
  const pidFile = `${paths.run}/shoald.pid`;
  if (livePid(pidFile, paths.config) !== undefined) return;
  writeFileSync(paths.config, JSON.stringify(daemonConfig(lab, host), null, 2));
  // What a killed one left answers for as long as it takes to die, and must not be taken for the new one.
  rmSync(paths.apiSocket, { force: true });
  const argv = [...parts.shoald, "--config", paths.config];
  const pid = startDetached({ netns: paths.netns, argv, log: paths.log, pidFile });
  await waitForSocket(parts, { path: paths.apiSocket, pid, log: paths.log, what: "shoald" });
}

function daemonConfig(lab: LabRecord, host: string): Record<string, unknown> {
  const paths = hostPaths(lab.name, host);
  const mirror = lab.images === undefined ? undefined : `http://${addressOf(lab, REGISTRY)}:${REGISTRY_PORT}`;
  return {
    "data-root": `${paths.data}/shoal`,
    "exec-root": `${paths.run}/shoal`,
    hosts: [`unix://${paths.apiSocket}`],
    containerd: paths.containerdSocket,
    hostname: `${lab.name}-${host}`,
    ...(mirror !== undefined && { "registry-mirrors": [mirror] }),
    ...(mirror !== undefined && { "insecure-registries": [`172.31.${lab.index}.0/24`] }),
    ...lab.settings,
  };
}

interface Started {
  readonly path: string;
  readonly pid: number;
  readonly log: string;
  readonly what: string;
}

async function waitForSocket({ clock, signal }: HostParts, started: Started): Promise<void> {
  const { path, pid, log, what } = started;
  const deadline = clock.now() + START_MS;
  while (!(await answers(path))) {
    if (signal?.aborted) throw new Fault("unavailable", `cannot start ${what}: interrupted`);
    const dead = hasEnded(pid);
    if (dead || clock.now() > deadline) {
      const last = existsSync(log) ? endOf(readFileSync(log, "utf8")) : "";
      throw new Fault(
        "unavailable",
        `cannot start ${what}: ${dead ? "it ended" : "it does not answer"}: ${last}`,
      );
    }
    await new Promise<void>((resolve) => clock.after(20, resolve));
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** Starts the registry that plays docker.io's mirror. */
export async function startRegistry(lab: LabRecord, { clock }: HostParts): Promise<void> {
  if (lab.images === undefined) return;
  const paths = hostPaths(lab.name, REGISTRY);
  const address = addressOf(lab, REGISTRY);
  if (!existsSync(paths.netns)) await plugHost(lab, REGISTRY);
  mkdirSync(paths.data, { recursive: true });
  mkdirSync(paths.run, { recursive: true });
  const config = `${paths.data}/registry.yml`;
  writeFileSync(config, registryYaml(`${address}:${REGISTRY_PORT}`, lab.images));
  const pidFile = `${paths.run}/registry.pid`;
  const argv = ["docker-registry", "serve", config];
  const pid = startDetached({ netns: paths.netns, argv, log: paths.log, pidFile });
  await waitUntil(clock, START_MS, `cannot start the registry: see ${paths.log}`, () => {
    if (hasEnded(pid)) throw new Fault("unavailable", `cannot start the registry: see ${paths.log}`);
    return readFileSync(paths.log, "utf8").includes("listening on");
  });
}

function registryYaml(address: string, storage: string): string {
  return [
    "version: 0.1",
    "log: { level: info, accesslog: { disabled: true } }",
    `storage: { filesystem: { rootdirectory: ${JSON.stringify(storage)} }, delete: { enabled: false } }`,
    `http: { addr: ${JSON.stringify(address)} }`,
    "",
  ].join("\n");
}

/** What tells a host's processes from all others: the paths that their command lines name. */
function marksOf(lab: LabRecord, host: string): string[] {
  const { run, data } = hostPaths(lab.name, host);
  return [`${run}/`, `${data}/`];
}

/** Stops shoald as a service manager would, leaving containers as they are. */
export async function stopDaemon(lab: LabRecord, host: string, clock: Clock): Promise<void> {
  const paths = hostPaths(lab.name, swarmHost(lab, host));
  const pid = livePid(`${paths.run}/shoald.pid`, paths.config);
  if (pid === undefined) return;
  signalAll([pid], "SIGTERM");
  await waitUntil(clock, STOP_MS, `cannot stop shoald of host ${host}: it does not end`, () => hasEnded(pid));
}

/** Kills only shoald, without a word, as a crash would. */
export async function killDaemon(lab: LabRecord, host: string, clock: Clock): Promise<void> {
  const paths = hostPaths(lab.name, swarmHost(lab, host));
  const pid = livePid(`${paths.run}/shoald.pid`, paths.config);
  if (pid === undefined) return;
  signalAll([pid], "SIGKILL");
  await waitUntil(clock, STOP_MS, `cannot kill shoald of host ${host}`, () => hasEnded(pid));
}

/** A power cut: every process dies at once, the namespace and all mounts are gone; the disk stays. */
export async function killHost(lab: LabRecord, host: string, clock: Clock): Promise<void> {
  swarmHost(lab, host);
  const { run, data } = hostPaths(lab.name, host);
  const containers = `${data}/shoal/containers`;
  await waitUntil(clock, STOP_MS, `cannot kill host ${host}: some processes do not end`, () => {
    const pids = [...processTree(marksOf(lab, host)), ...processesIn(containers)];
    signalAll(pids, "SIGKILL");
    return pids.length === 0;
  });
  await unplugHost(lab, host);
  await waitUntil(clock, STOP_MS, `cannot kill host ${host}: its cgroups are in use`, () =>
    removeCgroups(containers),
  );
  await unmountUnder(run);
  await unmountUnder(data);
  forget(run);
}

/** Takes every mount below a folder away, deepest first. */
export async function unmountUnder(folder: string): Promise<void> {
  const points = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((point) => point.startsWith(`${folder}/`))
    .sort((a, b) => b.length - a.length);
  for (const point of points) await execOk(["umount", "-l", point]);
}

/** Freezes or thaws all of a host's processes. */
export function signalHost(lab: LabRecord, host: string, signal: "SIGSTOP" | "SIGCONT"): void {
  swarmHost(lab, host);
  signalAll(processTree(marksOf(lab, host)), signal);
}
