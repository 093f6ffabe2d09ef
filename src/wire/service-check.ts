import { Fault } from "../lib/index.ts";
import {
  type ContainerSpec,
  type EndpointSpec,
  type Mount,
  type NetworkAttachmentSpec,
  type Resources,
  replicasOf,
  type ServiceSpec,
  type UpdateConfig,
  type VolumeMount,
} from "../model/index.ts";
import { isImageReference } from "./image-name.ts";

/*
 * What a spec can be wrong about by itself, in the words of swarmkit manager/controlapi/{common,service}.go, and what
 * moby's executor would say only on the node (mounts, environment). What needs the cluster is the control's to check.
 */

/** swarmkit's words arrive through gRPC, and its prefix is part of them. */
export function invalid(what: string): Fault {
  return new Fault("invalid", `rpc error: code = InvalidArgument desc = ${what}`);
}

const NAME_REGEXP = /^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9]+)*$/;

/** Faults unless services and networks may have this name. */
export function checkName(name: string): void {
  if (name === "") throw invalid("meta: name must be provided");
  if (name.length <= 1000 && !NAME_REGEXP.test(name)) {
    throw invalid("name must be valid as a DNS name component");
  }
  if (name.length > 63) throw invalid("name must be 63 characters or fewer");
}

/** Above this a service is a mistake: a manager would make that many tasks at once. Ours, not Swarm's. */
const MAX_REPLICAS = 100_000;

/** Faults on the first thing that is wrong with a service's words. An empty name is somebody else's to fill. */
export function checkServiceSpec(spec: ServiceSpec): void {
  if (spec.name !== "") checkName(spec.name);
  checkResources(spec.task.resources);
  const { delayMs, windowMs } = spec.task.restart;
  if (delayMs < 0) throw invalid("TaskSpec: restart-delay cannot be negative");
  if (windowMs < 0) throw invalid("TaskSpec: restart-window cannot be negative");
  checkContainer(spec.task.container);
  checkAttachments(spec.task.networks);
  if ((replicasOf(spec.mode) ?? 0) > MAX_REPLICAS)
    throw invalid(`Number of replicas must be at most ${MAX_REPLICAS}`);
  if (spec.update !== undefined) checkUpdate(spec.update);
  checkEndpoint(spec.endpoint);
}

const MIN_NANO_CPUS = 1e6;
const MIN_MEMORY = 4 * 1024 * 1024;

function checkResources({ limits, reservations }: Resources): void {
  for (const { nanoCpus, memoryBytes } of [limits, reservations]) {
    if (nanoCpus !== 0 && nanoCpus < MIN_NANO_CPUS) {
      throw invalid(`invalid cpu value ${nanoCpus / 1e9}: Must be at least ${MIN_NANO_CPUS / 1e9}`);
    }
    if (memoryBytes !== 0 && memoryBytes < MIN_MEMORY) {
      throw invalid(`invalid memory value ${memoryBytes}: Must be at least 4MiB`);
    }
  }
}

function checkContainer(container: ContainerSpec): void {
  if (container.image === "") throw invalid("ContainerSpec: image reference must be provided");
  if (!isImageReference(container.image)) {
    throw invalid(`ContainerSpec: "${container.image}" is not a valid repository/tag`);
  }
  checkTemplates(container);
  checkMounts(container.mounts);
  for (const variable of container.env) {
    if (variable === "" || variable.startsWith("=")) {
      throw new Fault("invalid", `invalid environment variable: ${variable}`);
    }
  }
  for (const host of container.hosts) {
    if (!/^\S+\s+\S/.test(host)) throw new Fault("invalid", `invalid host "${host}": must be "ADDRESS NAME"`);
  }
  if ((container.stopGraceMs ?? 0) < 0) throw invalid("ContainerSpec: stop-grace-period cannot be negative");
}

/** Swarm expands Go templates in these fields. A task that got the raw words would be wrong in silence. */
function checkTemplates(container: ContainerSpec): void {
  const fields = [
    container.hostname,
    ...container.env,
    ...container.mounts.flatMap((m) => [m.source, m.target, ...volumeWords(m)]),
  ];
  const template = fields.find((field) => field.includes("{{"));
  if (template !== undefined) {
    throw new Fault("unsupported", `cannot use the template "${template}": templates are not supported yet`);
  }
}

function volumeWords(mount: Mount): string[] {
  return mount.type === "volume"
    ? [...Object.values(mount.labels), ...Object.values(mount.driverOptions)]
    : [];
}

/** A volume's name is a folder's too (NAME_MAX). */
const VOLUME_REGEXP = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,254}$/;

function checkMounts(mounts: readonly Mount[]): void {
  const targets = new Set<string>();
  for (const mount of mounts) {
    if (targets.has(mount.target)) throw invalid(`ContainerSpec: duplicate mount point: ${mount.target}`);
    targets.add(mount.target);
    const wrong = mountProblem(mount);
    if (wrong !== undefined) throw new Fault("invalid", wrong);
    if (mount.type === "volume") checkVolumeDriver(mount);
  }
}

function checkVolumeDriver({ driver, driverOptions }: VolumeMount): void {
  if (!["", "local"].includes(driver)) {
    throw new Fault("unsupported", `cannot use volume-driver ${driver}: local is the one that is served`);
  }
  const [option] = Object.keys(driverOptions);
  if (option !== undefined) {
    throw new Fault(
      "unsupported",
      `cannot use volume-opt ${option}: options of the local driver are not supported yet`,
    );
  }
}

/** moby daemon/cluster/executor/container/validate.go; there the task is rejected, here the request already. */
function mountProblem({ type, source, target }: Mount): string | undefined {
  if (!target.startsWith("/")) return `invalid mount target, must be an absolute path: ${target}`;
  if (/^\/[./]*$/.test(target)) return `invalid specification: destination can't be '/'`;
  switch (type) {
    case "bind":
      return source.startsWith("/")
        ? undefined
        : `invalid bind mount source, must be an absolute path: ${source}`;
    case "tmpfs":
      return source === "" ? undefined : "invalid tmpfs source, source must be empty";
    case "volume":
      if (source.startsWith("/"))
        return `invalid volume mount source, must not be an absolute path: ${source}`;
      return source === "" || VOLUME_REGEXP.test(source) ? undefined : volumeNameProblem(source);
  }
}

function volumeNameProblem(name: string): string {
  if (name.length > 255) return "volume name is too long, at most 255 characters are allowed";
  if (name.length === 1)
    return "volume name is too short, names should be at least two alphanumeric characters";
  return `"${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`;
}

function checkAttachments(networks: readonly NetworkAttachmentSpec[]): void {
  const targets = new Set<string>();
  for (const { target } of networks) {
    if (target === "") throw invalid("TaskSpec: network attachment without a target");
    if (targets.has(target)) throw invalid(`TaskSpec: duplicate network attachment: ${target}`);
    targets.add(target);
  }
}

function checkUpdate(update: UpdateConfig): void {
  if (update.delayMs < 0) throw invalid("TaskSpec: update-delay cannot be negative");
  if (update.monitorMs < 0) throw invalid("TaskSpec: update-monitor cannot be negative");
  if (update.maxFailureRatio < 0 || update.maxFailureRatio > 1) {
    throw invalid("TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1");
  }
}

function checkEndpoint({ mode, ports }: EndpointSpec): void {
  const taken = new Set<string>();
  for (const port of ports) {
    if (mode === "dnsrr" && port.publishMode === "ingress") {
      throw invalid("EndpointSpec: port published with ingress mode can't be used with dnsrr mode");
    }
    if (port.target < 1 || port.target > 65535) {
      throw invalid(`EndpointSpec: invalid target port ${port.target}: must be from 1 to 65535`);
    }
    if (port.published > 65535) {
      throw invalid(`EndpointSpec: invalid published port ${port.published}: must be at most 65535`);
    }
    if (port.published === 0) continue;
    const key = `${port.published}/${port.protocol}`;
    if (taken.has(key)) throw invalid("EndpointSpec: duplicate published ports provided");
    taken.add(key);
  }
}
