import {
  type Constraint,
  fitsPlatform,
  type Mount,
  meets,
  type Node,
  parseConstraint,
  type Task,
} from "../model/index.ts";
import { countOf, freeOf } from "./generic.ts";
import { hostPortsOf, type NodeLoad } from "./load.ts";

/** Undefined: the node is fit. Otherwise what it lacks, in words of one or two, or none where there is nothing to add. */
export type Lack = readonly string[] | undefined;

/** A task's question to every node. */
export type Check = (node: Node, load: NodeLoad) => Lack;

/** A reason why a node is unfit, which can explain itself for `n` nodes. */
export interface Filter {
  readonly name: string;
  /** The question for a task, and all others of its service and words; undefined: nothing to ask. */
  ask(task: Task): Check | undefined;
  explain(nodes: number): string;
}

const FIT = undefined;
const UNFIT: Lack = [];

/** In the order they are asked (swarmkit scheduler/pipeline.go); phrases are Swarm's, people search for them. */
export const FILTERS: readonly Filter[] = [
  {
    name: "ready",
    ask: () => (node) => (node.status.state === "ready" && node.spec.availability === "active" ? FIT : UNFIT),
    explain: (n) => `${plural(n)} not available for new tasks`,
  },
  { name: "resource", ask: askResources, explain: (n) => `insufficient resources on ${plural(n)}` },
  { name: "plugin", ask: askPlugins, explain: (n) => `missing plugin on ${plural(n)}` },
  {
    name: "constraint",
    ask: askConstraints,
    explain: (n) => `scheduling constraints not satisfied on ${plural(n)}`,
  },
  {
    name: "platform",
    ask: ({ spec: { placement } }) =>
      placement.platforms.length === 0 ? undefined : (node) => (fitsPlatform(placement, node) ? FIT : UNFIT),
    explain: (n) => `unsupported platform on ${plural(n)}`,
  },
  { name: "host-port", ask: askHostPorts, explain: (n) => `host-mode port already in use on ${plural(n)}` },
  {
    name: "max-replicas",
    ask: ({ serviceId, spec: { placement } }) =>
      placement.maxReplicas === 0
        ? undefined
        : (_, load) => ((load.byService.get(serviceId) ?? 0) < placement.maxReplicas ? FIT : UNFIT),
    explain: () => "max replicas per node limit exceed",
  },
];

function plural(nodes: number): string {
  return nodes === 1 ? "1 node" : `${nodes} nodes`;
}

function askResources({ spec }: Task): Check | undefined {
  const { nanoCpus, memoryBytes, generic } = spec.resources.reservations;
  if (nanoCpus === 0 && memoryBytes === 0 && generic.length === 0) return undefined;
  return (node, load) => {
    const total = node.description?.resources;
    if (total === undefined) return UNFIT;
    const lack: string[] = [];
    if (load.nanoCpus + nanoCpus > total.nanoCpus) lack.push("cpu");
    if (load.memoryBytes + memoryBytes > total.memoryBytes) lack.push("memory");
    for (const want of generic) {
      if (countOf(want) > freeOf(total.generic, load.generic, want.kind)) lack.push(want.kind);
    }
    return lack.length === 0 ? FIT : lack;
  };
}

interface PluginNeed {
  readonly type: "Volume" | "Network" | "Log";
  readonly name: string;
  /** A node that reports no plugin of the type at all is believed to have it (an older one does not tell). */
  readonly lenient: boolean;
}

function askPlugins(task: Task): Check | undefined {
  const { container, log } = task.spec;
  const needs: PluginNeed[] = container.mounts
    .map(volumeDriver)
    .filter((name) => name !== "" && name !== "local")
    .map((name) => ({ type: "Volume", name, lenient: false }));
  // Networks of the cluster have one driver (model/network.ts).
  if (task.attachments.length > 0) needs.push({ type: "Network", name: "overlay", lenient: true });
  if (log.name !== "" && log.name !== "none") needs.push({ type: "Log", name: log.name, lenient: true });
  if (needs.length === 0) return undefined;
  return ({ description }) => {
    // A node that has not described itself is not blamed for its silence (swarmkit filter.go).
    if (description === undefined) return FIT;
    const lack = needs.filter((need) => !hasPlugin(description.plugins, need)).map(({ name }) => name);
    return lack.length === 0 ? FIT : lack;
  };
}

function volumeDriver(mount: Mount): string {
  return mount.type === "volume" ? mount.driver : "";
}

function hasPlugin(plugins: readonly { type: string; name: string }[], need: PluginNeed): boolean {
  const ofType = plugins.filter((plugin) => plugin.type === need.type);
  if (ofType.length === 0) return need.lenient;
  return ofType.some(({ name }) => name === need.name || name === `${need.name}:latest`);
}

/** Constraints that cannot be read (the door lets none in) are met by no node. */
function askConstraints({ spec: { placement } }: Task): Check | undefined {
  if (placement.constraints.length === 0) return undefined;
  const constraints = readAll(placement.constraints);
  return (node) => (constraints?.every((constraint) => meets(constraint, node)) ? FIT : UNFIT);
}

function readAll(texts: readonly string[]): Constraint[] | undefined {
  try {
    return texts.map(parseConstraint);
  } catch {
    return undefined;
  }
}

function askHostPorts(task: Task): Check | undefined {
  const ports = hostPortsOf(task);
  if (ports.length === 0) return undefined;
  return (_, load) => (ports.some((port) => load.hostPorts.has(port)) ? UNFIT : FIT);
}
