import type { ContainerSpec, LogDriver, Resources } from "../model/index.ts";
import type { ContainerConfig } from "../runtime/index.ts";

/** The words of one container, whoever said them. */
export interface ContainerWords {
  readonly container: ContainerSpec;
  readonly resources: Resources;
  readonly log: LogDriver;
}

/** What a container has of its own on this node. */
export interface OwnWords
  extends Pick<ContainerConfig, "id" | "name" | "image" | "labels" | "hostname" | "hosts" | "dns"> {
  /** As ContainerConfig's. */
  readonly netns: string | undefined;
  /** Beside those of its words. */
  readonly env?: readonly string[];
}

const DEFAULT_LOG = { maxBytes: 10 * 2 ** 20, maxFiles: 3 };

/** A container's words as the runtime wants them. */
export function runtimeConfigOf(
  { container, resources, log }: ContainerWords,
  own: OwnWords,
): ContainerConfig {
  const { env = [], netns, ...rest } = own;
  return {
    ...rest,
    ...(container.command.length > 0 && { entrypoint: container.command }),
    ...(container.args.length > 0 && { args: container.args }),
    env: [...container.env, ...env],
    ...(container.dir !== "" && { dir: container.dir }),
    ...(container.user !== "" && { user: container.user }),
    groups: container.groups,
    tty: container.tty,
    openStdin: container.openStdin,
    readOnly: container.readOnly,
    ...(container.init !== undefined && { init: container.init }),
    ...(container.stopSignal !== "" && { stopSignal: container.stopSignal }),
    mounts: container.mounts,
    capAdd: container.capabilityAdd,
    capDrop: container.capabilityDrop,
    sysctls: container.sysctls,
    ulimits: container.ulimits,
    ...(container.oomScoreAdj !== 0 && { oomScoreAdj: container.oomScoreAdj }),
    resources: resourcesOf(resources),
    ...(container.health !== undefined && { health: container.health }),
    ...(container.privileges !== undefined && { privileges: container.privileges }),
    ...(netns !== undefined && { netns }),
    ...(log.name === "none" && { logDriver: log.name }),
    ...logLimits(log.options),
  };
}

/** A line of /etc/hosts: "10.0.0.1 name alias". */
export function hostOf(line: string): ContainerConfig["hosts"][number] {
  const [address = "", ...names] = line.split(/\s+/);
  return { address, names };
}

/** Limits, and the memory it reserved: the kernel takes that away last, where the scheduler alone would only count it. */
function resourcesOf({ limits, reservations }: Resources): ContainerConfig["resources"] {
  const { nanoCpus, memoryBytes, pids } = limits;
  const reserved = Math.min(reservations.memoryBytes, memoryBytes || reservations.memoryBytes);
  return {
    ...(memoryBytes > 0 && { memoryBytes }),
    ...(reserved > 0 && { memoryReservationBytes: reserved }),
    ...(nanoCpus > 0 && { nanoCpus }),
    ...(pids > 0 && { pids }),
  };
}

const SUFFIXES: Readonly<Record<string, number>> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** json-file's max-size ("10m") and max-file ("3"). Unlike Docker's, our logs are bounded when nobody says so. */
function logLimits(options: Readonly<Record<string, string>>): { logMaxBytes: number; logMaxFiles: number } {
  const [, digits = "", suffix = ""] = /^(\d+)([bkmg]?)$/i.exec(options["max-size"] ?? "") ?? [];
  const bytes = Number(digits) * (SUFFIXES[suffix.toLowerCase()] ?? 1);
  const files = Number(options["max-file"] ?? 0);
  return { logMaxBytes: bytes || DEFAULT_LOG.maxBytes, logMaxFiles: files || DEFAULT_LOG.maxFiles };
}
