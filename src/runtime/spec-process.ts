import { Fault } from "../lib/index.ts";
import type { ContainerConfig } from "./container.ts";
import type { ExecConfig } from "./health.ts";
import type { OciCapabilities, OciProcess, OciUser } from "./oci.ts";
import type { ProgramConfig } from "./program.ts";

/** What an image says of the process it wants (OCI image spec config.md), of the types it should have. */
export interface ImageProcess {
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly dir: string;
  readonly user: string;
  readonly stopSignal: string;
  /** Paths that want a volume each. */
  readonly volumes: readonly string[];
}

const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export function imageProcessOf(config: Readonly<Record<string, unknown>>): ImageProcess {
  const { Env, Entrypoint, Cmd, WorkingDir, User, StopSignal, Volumes } = config;
  return {
    env: stringsOf(Env),
    entrypoint: stringsOf(Entrypoint),
    cmd: stringsOf(Cmd),
    dir: textOf(WorkingDir),
    user: textOf(User),
    stopSignal: textOf(StopSignal),
    volumes: Volumes !== null && typeof Volumes === "object" ? Object.keys(Volumes) : [],
  };
}

function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The argument list of process 1 (moby daemon/commit.go merge): an own entrypoint drops the image's command too. */
export function commandOf(
  config: Pick<ContainerConfig, "entrypoint" | "args">,
  image: Pick<ImageProcess, "entrypoint" | "cmd">,
): string[] {
  const own = config.entrypoint ?? [];
  const cmd =
    config.args !== undefined && config.args.length > 0 ? config.args : own.length > 0 ? [] : image.cmd;
  const command = [...(config.entrypoint ?? image.entrypoint), ...cmd];
  if (command.length === 0) throw new Fault("invalid", "no command specified");
  return command;
}

/**
 * The environment of process 1 (moby container/env.go): Docker's defaults, then the image's, then the config's; a later value
 * of a name replaces the earlier one in its place, and a bare name takes the variable away.
 */
export function envOf(
  config: Pick<ContainerConfig, "env" | "hostname" | "tty">,
  image: Pick<ImageProcess, "env">,
): string[] {
  const merged = new Map<string, string>();
  const put = (line: string): void => {
    const [name = ""] = line.split("=", 1);
    if (line.includes("=")) merged.set(name, line);
    else merged.delete(name);
  };
  for (const line of [
    DEFAULT_PATH,
    `HOSTNAME=${config.hostname}`,
    ...(config.tty ? ["TERM=xterm"] : []),
    ...image.env,
    ...config.env,
  ]) {
    put(line);
  }
  return [...merged.values()];
}

/** Others than root get theirs by what they execute, as anywhere. */
export function capabilitiesOfUser(user: OciUser, bounding: readonly string[]): OciCapabilities {
  return { bounding, ...(user.uid === 0 && { effective: bounding, permitted: bounding }) };
}

/** A program beside process 1: confined and started as that is (moby daemon/exec_linux.go), with a terminal of its own or none. */
export function execProcessOf(
  own: OciProcess,
  config: ExecConfig & Partial<Pick<ProgramConfig, "tty" | "size">>,
  user: OciUser,
): OciProcess {
  const { args, dir, tty: terminal = false, size } = config;
  const env = [...(terminal ? ["TERM=xterm"] : []), ...(config.env ?? [])];
  const nameOf = (line: string): string | undefined => line.split("=", 1)[0];
  const replaced = new Set(env.map(nameOf));
  return {
    ...own,
    ...{ terminal, user, args },
    ...(terminal && size !== undefined && { consoleSize: { height: size.rows, width: size.columns } }),
    cwd: dir || own.cwd,
    env: [
      ...own.env.filter((line) => !replaced.has(nameOf(line))),
      ...env.filter((line) => line.includes("=")),
    ],
    capabilities: capabilitiesOfUser(user, own.capabilities.bounding),
  };
}
