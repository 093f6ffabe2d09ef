import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { TaskContainer } from "./swarm.ts";

/** A service in a lab as it is now: its words, and its one container from outside and from inside. */
export interface Seen {
  /** `docker service inspect`, its Spec. */
  readonly spec: ServiceSpec;
  /** `docker inspect` of the container. */
  readonly container: ContainerWords;
  readonly task: TaskContainer;
  /** Standard output of a command in the container, with the container's files and network. */
  readonly run: (...argv: string[]) => Promise<string>;
  /** `docker service logs`: what it printed, errors last. */
  readonly logs: () => Promise<string>;
}

/** As far as the tables look. */
interface ServiceSpec {
  readonly Labels: Readonly<Record<string, string>>;
  readonly TaskTemplate: {
    readonly ForceUpdate: number;
    readonly Resources: Readonly<Record<"Limits" | "Reservations", Readonly<Record<string, unknown>>>>;
    readonly ContainerSpec: Readonly<Record<string, unknown>> & { readonly Image: string };
  };
}

interface ContainerWords {
  readonly LogPath: string;
  readonly State: {
    readonly Health?: { readonly Status: string; readonly Log: readonly { readonly Output: string }[] };
  };
  readonly HostConfig: { readonly LogConfig: unknown };
  readonly Config: {
    readonly Labels: Readonly<Record<string, string>>;
    readonly StopSignal?: string;
    readonly Healthcheck?: unknown;
  };
}

/** A file of /proc about process 1 of the container. */
export const proc = ({ task }: Seen, name: string): string =>
  readFileSync(`/proc/${task.pid}/${name}`, "utf8");
/** A file of the container. */
export const file = ({ task }: Seen, path: string): string =>
  readFileSync(`/proc/${task.pid}/root${path}`, "utf8");
export const link = ({ task }: Seen, name: string): string => readlinkSync(`/proc/${task.pid}/${name}`);
export const texts = (nulls: string): string[] => nulls.split("\0").filter(Boolean);
export const command = (seen: Seen): string[] => texts(proc(seen, "cmdline"));

/** Those of the tests' own variables that process 1 has. */
export const environment = (seen: Seen): string[] =>
  texts(proc(seen, "environ"))
    .filter((text) => /^(?:[A-Z]|FROM_FILE|NODE)=/.test(text))
    .sort();

/** "1000 1001 10,1001": user, group and all groups of process 1. */
export function whoIs(seen: Seen): string {
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(proc(seen, "status"))?.[1] ?? "";
  const groups = field("Groups").trim().split(/\s+/).sort();
  return [field("Uid").split("\t")[0], field("Gid").split("\t")[0], groups.join(",")].join(" ");
}

/** Whether process 1 may do so; the numbers are those of capability.h. */
export function may(seen: Seen): Record<"NET_ADMIN" | "SYS_TIME" | "MKNOD", boolean> {
  const [, hex = "0"] = /^CapEff:\s*(\w+)$/m.exec(proc(seen, "status")) ?? [];
  const has = (bit: number) => ((BigInt(`0x${hex}`) >> BigInt(bit)) & 1n) === 1n;
  return { NET_ADMIN: has(12), SYS_TIME: has(25), MKNOD: has(27) };
}

/** "1024 2048": the soft and the hard limit of that name in /proc/1/limits. */
export const ulimit = (seen: Seen, name: string): string | undefined =>
  new RegExp(`^Max ${name}\\s+(\\S+)\\s+(\\S+)`, "m").exec(proc(seen, "limits"))?.slice(1).join(" ");

/** A limit in the container's own cgroup, as the container sees it; `v2` if this machine has one hierarchy. */
export function cgroup(seen: Seen, v1: string, v2: string): string {
  const isUnified = /^0::.*\n$/.test(proc(seen, "cgroup"));
  return file(seen, `/sys/fs/cgroup/${isUnified ? v2 : v1}`).trim();
}

/** The processor time it may have, in shares of one processor. */
export function cpuLimit(seen: Seen): number {
  const [quota, period] = cgroup(seen, "cpu/cpu.cfs_quota_us", "cpu.max").split(" ");
  return Number(quota) / Number(period ?? cgroup(seen, "cpu/cpu.cfs_period_us", ""));
}

/** A mount of the container by its place: its options and its own superblock's, in one text. */
export function mount(seen: Seen, place: string): string | undefined {
  const lines = proc(seen, "mountinfo").split("\n");
  const found = lines.map((line) => line.split(" ")).findLast((words) => words[4] === place);
  return found && `${found[5]} ${found.at(-1)}`;
}

export const hostLine = (seen: Seen, name: string): string | undefined =>
  file(seen, "/etc/hosts")
    .split("\n")
    .find((line) => line.split(/\s+/)[1] === name);

export const spec = ({ spec: { TaskTemplate } }: Seen): Readonly<Record<string, unknown>> =>
  TaskTemplate.ContainerSpec;
export const image = (seen: Seen): string => seen.spec.TaskTemplate.ContainerSpec.Image;
export const labels = (seen: Seen): string[] =>
  Object.entries(seen.container.Config.Labels)
    .filter(([key]) => !/^(?:com\.docker|shoal)\./.test(key))
    .map((pair) => pair.join("="))
    .sort();

export const health = ({ container: { State } }: Seen): unknown => [
  State.Health?.Status,
  State.Health?.Log[0]?.Output,
];
export const healthWords = ({ container: { Config } }: Seen): unknown => Config.Healthcheck;

export const logDriver = ({ container: { HostConfig } }: Seen): unknown => HostConfig.LogConfig;
/** How many files there are of the container's log. */
export const logFiles = ({ container: { LogPath } }: Seen): number =>
  readdirSync(dirname(LogPath)).filter(
    (name) => name.startsWith(basename(LogPath)) && /log(?:\.\d+)?$/.test(name),
  ).length;

export const dns = (seen: Seen): unknown => spec(seen)["DNSConfig"];
/** The container's search domains and resolver options, as lines of resolv.conf. */
export const resolver = (seen: Seen): string[] =>
  file(seen, "/etc/resolv.conf")
    .split("\n")
    .filter((line) => /^(?:search|options) /.test(line))
    .sort()
    .reverse();
