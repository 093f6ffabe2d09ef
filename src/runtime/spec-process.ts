import { Fault } from "../lib/index.ts";
import type { ContainerConfig } from "./container.ts";

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
