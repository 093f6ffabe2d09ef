import type { Cluster } from "./cluster.ts";
import type { Node } from "./node.ts";
import type { PortSpec } from "./service.ts";

/** A port that the cluster itself needs: published by a service, it would lead nodes astray that look for each other there. */
export interface OwnPort extends Pick<PortSpec, "protocol" | "published"> {
  readonly what: string;
  /** Needed on every node; else only where managers listen. */
  readonly everywhere: boolean;
}

/** The ports that the cluster needs on its nodes, once there is a cluster. */
export function ownPorts(
  cluster: Pick<Cluster, "dataPathPort"> | undefined,
  nodes: Iterable<Pick<Node, "managerAddress">>,
): OwnPort[] {
  const ports: OwnPort[] = [];
  const tunnels = { protocol: "udp", everywhere: true } as const;
  if (cluster !== undefined) {
    const { dataPathPort: published } = cluster;
    ports.push({ ...tunnels, published, what: "data path port" });
    ports.push({ ...tunnels, published: published + 1, what: "data path port of encrypted networks" });
  }
  for (const { managerAddress: address } of nodes) {
    if (address === undefined) continue;
    const published = Number(address.slice(address.lastIndexOf(":") + 1));
    ports.push({ protocol: "tcp", everywhere: false, published, what: "manager port" });
  }
  return ports;
}
