import type { Node, Task } from "../model/index.ts";
import type { NodeLoad } from "./load.ts";

/** A reason why a node is unfit, which can explain itself for `n` nodes. */
export interface Filter {
  readonly name: string;
  check(task: Task, node: Node, load: NodeLoad): boolean;
  explain(nodes: number): string;
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64", armv7l: "arm" };

function normal(architecture: string): string {
  return ARCHITECTURES[architecture] ?? architecture;
}

function plural(nodes: number): string {
  return nodes === 1 ? "1 node" : `${nodes} nodes`;
}

/** In the order they are asked (swarmkit scheduler/pipeline.go); phrases are Swarm's, people search for them. */
export const FILTERS: readonly Filter[] = [
  {
    name: "ready",
    check: (_, node) => node.status.state === "ready" && node.spec.availability === "active",
    explain: (n) => `${plural(n)} not available for new tasks`,
  },
  {
    name: "resource",
    check: (task, node, load) => {
      const total = node.description?.resources;
      const want = task.spec.resources.reservations;
      if (want.nanoCpus === 0 && want.memoryBytes === 0) return true;
      return (
        total !== undefined &&
        load.nanoCpus + want.nanoCpus <= total.nanoCpus &&
        load.memoryBytes + want.memoryBytes <= total.memoryBytes
      );
    },
    explain: (n) => `insufficient resources on ${plural(n)}`,
  },
  {
    name: "platform",
    check: (task, node) => {
      const { platforms } = task.spec.placement;
      const have = node.description?.platform;
      return (
        platforms.length === 0 ||
        platforms.some(
          (p) =>
            (p.os === "" || p.os === have?.os) &&
            (p.architecture === "" || normal(p.architecture) === normal(have?.architecture ?? "")),
        )
      );
    },
    explain: (n) => `unsupported platform on ${plural(n)}`,
  },
  {
    name: "host-port",
    check: (task, _, load) =>
      task.endpoint.ports.every(
        (port) =>
          port.publishMode !== "host" ||
          port.published === 0 ||
          !load.hostPorts.has(`${port.protocol}/${port.published}`),
      ),
    explain: (n) => `host-mode port already in use on ${plural(n)}`,
  },
];
