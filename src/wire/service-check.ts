import { Fault, messageOf } from "../lib/index.ts";
import {
  type EndpointSpec,
  type GenericResource,
  type NetworkAttachmentSpec,
  parseConstraint,
  type Resources,
  type ServiceMode,
  type ServiceSpec,
  type TaskSpec,
  type UpdateConfig,
} from "../model/index.ts";
import { checkContainer } from "./container-check.ts";
import { invalid } from "./refusal.ts";

/*
 * What a spec can be wrong about by itself, in the words of swarmkit manager/controlapi/{common,service}.go, and what
 * moby's executor would say only on the node (mounts, environment). What needs the cluster is the control's to check.
 */

/** swarmkit's, but with one way only to read a name: theirs, tried in JavaScript, takes years for forty letters and a "!". */
const NAME_REGEXP = /^[a-zA-Z0-9](?:[-_]*[A-Za-z0-9])*$/;

/** Faults unless services and networks may have this name. */
export function checkName(name: string): void {
  if (name === "") throw invalid("meta: name must be provided");
  if (name.length <= 1000 && !NAME_REGEXP.test(name)) {
    throw invalid("name must be valid as a DNS name component");
  }
  if (name.length > 63) throw invalid("name must be 63 characters or fewer");
}

/** Faults on the first thing that is wrong with a service's words. An empty name is somebody else's to fill. */
export function checkServiceSpec(spec: ServiceSpec): void {
  if (spec.name !== "") checkName(spec.name);
  checkTask(spec.task);
  checkMode(spec.mode);
  checkUpdates(spec);
  checkEndpoint(spec.endpoint);
}

function checkTask({ resources, restart, placement, container, networks }: TaskSpec): void {
  checkResources(resources);
  if (restart.delayMs < 0) throw invalid("TaskSpec: restart-delay cannot be negative");
  if (restart.windowMs < 0) throw invalid("TaskSpec: restart-window cannot be negative");
  for (const constraint of placement.constraints) checkConstraint(constraint);
  checkContainer(container);
  checkAttachments(networks);
}

/** Swarm's control API gives the parser's words no code of its own. */
function checkConstraint(text: string): void {
  try {
    parseConstraint(text);
  } catch (error) {
    throw new Fault("invalid", `rpc error: code = Unknown desc = ${messageOf(error)}`);
  }
}

/** Above this a service is a mistake: a manager would make that many tasks at once. Ours, not Swarm's. */
const MAX_TASKS = 100_000;

function checkMode(mode: ServiceMode): void {
  if (mode.kind === "replicated" && mode.replicas > MAX_TASKS)
    throw invalid(`Number of replicas must be at most ${MAX_TASKS}`);
  if (mode.kind !== "replicated-job") return;
  if (mode.maxConcurrent > MAX_TASKS) throw invalid(`Maximum concurrent jobs must be at most ${MAX_TASKS}`);
  if (mode.totalCompletions > MAX_TASKS) throw invalid(`Total completed jobs must be at most ${MAX_TASKS}`);
}

function checkUpdates({ mode, update, rollback }: ServiceSpec): void {
  const isJob = mode.kind === "replicated-job" || mode.kind === "global-job";
  if (isJob && update !== undefined) throw invalid("Jobs may not have an update config");
  if (update !== undefined) checkUpdate("update", update);
  // swarmkit checks no rollback config; what is wrong in one of them is wrong in the other.
  if (rollback !== undefined) checkUpdate("rollback", rollback);
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
  for (const resource of reservations.generic) checkGeneric(resource);
}

/** swarmkit api/genericresource. Its door lets a named one pass, and no node is ever found for it. */
function checkGeneric(resource: GenericResource): void {
  const { kind } = resource;
  if (kind === "") throw invalid("invalid generic resource: it has no kind");
  if ("id" in resource)
    throw invalid(`invalid argument for resource ${kind}: a task can only reserve a number of it`);
  if (resource.count < 0) throw invalid(`cannot ask for negative resource ${kind}`);
}

/** Options that libnetwork serves on every endpoint. Others are the driver's, and overlay's driver reads none. */
const ENDPOINT_OPTIONS = "com.docker.network.endpoint.";

function checkAttachments(networks: readonly NetworkAttachmentSpec[]): void {
  const targets = new Set<string>();
  for (const { target, driverOptions = {} } of networks) {
    const option = Object.keys(driverOptions).find((key) => key.startsWith(ENDPOINT_OPTIONS));
    if (option !== undefined) {
      throw new Fault("unsupported", `cannot use driver-opt ${option}: it is not supported yet`);
    }
    if (target === "") throw invalid("TaskSpec: network attachment without a target");
    if (targets.has(target)) throw invalid(`TaskSpec: duplicate network attachment: ${target}`);
    targets.add(target);
  }
}

function checkUpdate(named: "update" | "rollback", config: UpdateConfig): void {
  if (config.delayMs < 0) throw invalid(`TaskSpec: ${named}-delay cannot be negative`);
  if (config.monitorMs < 0) throw invalid(`TaskSpec: ${named}-monitor cannot be negative`);
  if (config.maxFailureRatio < 0 || config.maxFailureRatio > 1) {
    throw invalid(`TaskSpec: ${named}-maxfailureratio cannot be less than 0 or bigger than 1`);
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
