import {
  fitsPlatform,
  isEncrypted,
  lackOf,
  type Mount,
  meetsAll,
  type Node,
  reserves,
  type Task,
} from "../model/index.ts";
import type { View } from "../store/index.ts";
import { hostPortsOf, type NodeLoad } from "./load.ts";

/** Undefined: the node is fit. Otherwise what it lacks, in words of one or two, or none where there is nothing to add. */
export type Lack = readonly string[] | undefined;

/** A task's question to every node. */
export type Check = (node: Node, load: NodeLoad) => Lack;

/** A reason why a node is unfit, which can explain itself for `n` nodes. */
export interface Filter {
  readonly name: string;
  /** The question for a task, and all others of its service and words; undefined: nothing to ask. */
  ask(task: Task, view: View): Check | undefined;
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
    ask: ({ spec: { placement } }) =>
      placement.constraints.length === 0
        ? undefined
        : (node) => (meetsAll(placement.constraints, node) ? FIT : UNFIT),
    explain: (n) => `scheduling constraints not satisfied on ${plural(n)}`,
  },
  {
    name: "platform",
    ask: ({ spec: { placement } }) =>
      placement.platforms.length === 0 ? undefined : (node) => (fitsPlatform(placement, node) ? FIT : UNFIT),
    explain: (n) => `unsupported platform on ${plural(n)}`,
  },
  {
    name: "encryption",
    ask: askEncryption,
    explain: (n) => `encrypted networks not possible on ${plural(n)}`,
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

function askResources(task: Task): Check | undefined {
  if (!reserves(task)) return undefined;
  return ({ description }, load) => {
    if (description === undefined) return UNFIT;
    const lack = lackOf(description.resources, load, task.spec.resources.reservations);
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

/** Who is asked to encrypt and cannot runs nothing in clear instead. */
function askEncryption({ attachments }: Task, view: View): Check | undefined {
  const isDark = attachments.some(({ networkId }) => {
    const network = view.get("network", networkId);
    return network !== undefined && isEncrypted(network.spec);
  });
  if (!isDark) return undefined;
  return ({ tunnelEnd }) => {
    if (tunnelEnd === undefined) return UNFIT;
    return tunnelEnd.lack === "" ? FIT : [tunnelEnd.lack];
  };
}

function askHostPorts(task: Task): Check | undefined {
  const ports = hostPortsOf(task);
  if (ports.length === 0) return undefined;
  return (_, load) => (ports.some((port) => load.hostPorts.has(port)) ? UNFIT : FIT);
}
