import { z } from "zod";
import { Fault } from "../lib/index.ts";
import {
  type ContainerSpec,
  checkTemplate,
  type HealthCheck,
  HOST_GATEWAY,
  type Mount,
  type Privileges,
} from "../model/index.ts";
import { isImageReference } from "./image-name.ts";
import { checkMounts } from "./mount-check.ts";
import { invalid } from "./refusal.ts";

/** Faults on the first thing that is wrong with one container's words. */
export function checkContainer(container: ContainerSpec): void {
  if (container.image === "") throw invalid("ContainerSpec: image reference must be provided");
  if (!isImageReference(container.image)) {
    throw invalid(`ContainerSpec: "${container.image}" is not a valid repository/tag`);
  }
  checkTemplates(container);
  checkMounts(container.mounts);
  if (container.health !== undefined) checkHealth(container.health);
  if ((container.stopGraceMs ?? 0) < 0) throw invalid("ContainerSpec: stop-grace-period cannot be negative");
  const wrong = processProblem(container) ?? nameProblem(container) ?? seccompProblem(container.privileges);
  if (wrong !== undefined) throw new Fault("invalid", wrong);
}

const HEALTH_DURATIONS = {
  Interval: "intervalMs",
  Timeout: "timeoutMs",
  StartPeriod: "startPeriodMs",
  StartInterval: "startIntervalMs",
} as const;

function checkHealth(health: HealthCheck): void {
  for (const [name, field] of Object.entries(HEALTH_DURATIONS)) {
    if (health[field] !== 0 && health[field] < 1)
      throw invalid(`ContainerSpec: ${name} in HealthConfig cannot be less than 1ms`);
  }
  if (health.retries < 0) throw invalid("ContainerSpec: Retries in HealthConfig cannot be negative");
  const [kind, ...rest] = health.test;
  if (kind === undefined || kind === "NONE") return;
  // Docker says so in a node's log only, and the container is then never probed.
  if (kind !== "CMD" && kind !== "CMD-SHELL") {
    throw new Fault("invalid", `Unknown healthcheck type '${kind}' (expected 'CMD')`);
  }
  if (rest.length === 0) throw new Fault("invalid", `invalid healthcheck: ${kind} without a command`);
}

/** Docker's ulimits (go-units). */
const ULIMITS: ReadonlySet<string> = new Set(
  "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(
    " ",
  ),
);
const UNLIMITED = -1;

function processProblem({ env, ulimits, oomScoreAdj }: ContainerSpec): string | undefined {
  const variable = env.find((pair) => pair === "" || pair.startsWith("="));
  if (variable !== undefined) return `invalid environment variable: ${variable}`;
  for (const { name, soft, hard } of ulimits) {
    if (!ULIMITS.has(name)) return `invalid ulimit type: ${name}`;
    if (hard === UNLIMITED || (soft !== UNLIMITED && soft <= hard)) continue;
    const what = soft === UNLIMITED ? `soft: -1 (unlimited), hard: ${hard}` : `${soft} > ${hard}`;
    return `ulimit soft limit must be less than or equal to hard limit: ${what}`;
  }
  if (Math.abs(oomScoreAdj) <= 1000) return undefined;
  return `Invalid value ${oomScoreAdj}, range for oom score adj is [-1000, 1000]`;
}

function nameProblem({ hosts, dns }: ContainerSpec): string | undefined {
  const server = dns.nameservers.find((address) => !isAddress(address));
  if (server !== undefined) return `invalid nameserver "${server}": must be an IP address`;
  for (const host of hosts) {
    const [address = "", name = ""] = host.trim().split(/\s+/);
    if (name === "") return `invalid host "${host}": must be "ADDRESS NAME"`;
    if (address === HOST_GATEWAY) {
      throw new Fault("unsupported", `cannot use host "${host}": ${HOST_GATEWAY} is not supported yet`);
    }
    if (!isAddress(address)) return `invalid IP address in host: "${address}"`;
  }
  return undefined;
}

const address = z.union([z.ipv4(), z.ipv6()]);

function isAddress(text: string): boolean {
  return address.safeParse(text).success;
}

function seccompProblem(privileges: Privileges | undefined): string | undefined {
  const { mode, profile } = privileges?.seccomp ?? { mode: "default", profile: "" };
  if (mode !== "custom")
    return profile === "" ? undefined : `invalid seccomp profile: mode ${mode} takes none`;
  try {
    const parsed: unknown = JSON.parse(atob(profile));
    if (typeof parsed === "object" && parsed !== null && "defaultAction" in parsed) return undefined;
  } catch {
    // Said below.
  }
  return "invalid seccomp profile: must be base64 of a JSON object with a defaultAction";
}

/** Where Swarm expands Go templates (swarmkit template/expand.go): of a variable, the value alone. */
function checkTemplates({ hostname, env, mounts }: ContainerSpec): void {
  const values = env.map((pair) => pair.slice(pair.indexOf("=") + 1));
  for (const text of [hostname, ...values, ...mounts.flatMap(mountWords)]) checkTemplate(text);
}

function mountWords(mount: Mount): string[] {
  const { source, target } = mount;
  if (mount.type !== "volume") return [source, target];
  return [source, target, ...Object.values(mount.labels), ...Object.values(mount.driverOptions)];
}
