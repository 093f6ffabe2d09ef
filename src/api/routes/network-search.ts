import { Fault, type Instant } from "../../lib/index.ts";
import { type Network, PREDEFINED_NETWORKS, type PredefinedNetwork } from "../../model/index.ts";
import { localNetworkToWire, networkToWire } from "../../wire/index.ts";
import type { Backends, LocalNetwork, ManagerBackend } from "../backends.ts";

/** A network as it is listed: the cluster's, or one that this node knows by itself. */
export interface Listed {
  readonly id: string;
  readonly name: string;
  readonly driver: string;
  readonly scope: "local" | "swarm";
  readonly labels: Readonly<Record<string, string>>;
  /** Docker's own word for what every node has of itself. */
  readonly builtin: boolean;
  /** Nobody made it, so that nobody can remove it. */
  readonly fixed: boolean;
  /** A container of this node is on it, as far as the node knows without asking. */
  readonly inUse: boolean;
  readonly createdAt: Instant;
  readonly wire: Record<string, unknown>;
}

function ofCluster(network: Network): Listed {
  const { name, driver, labels } = network.spec;
  const { id, createdAt } = network;
  const wire = networkToWire(network);
  return {
    id,
    name,
    driver,
    scope: "swarm",
    labels,
    builtin: false,
    fixed: false,
    inUse: false,
    createdAt,
    wire,
  };
}

function ofNode(network: LocalNetwork): Listed {
  const { id, name, driver, scope, labels = {}, custom = false, inUse = !custom, createdAt = 0 } = network;
  const fixed = scope === "local" && !custom;
  // moby runconfig.IsPreDefinedNetwork; the gateway bridge is none.
  const builtin = fixed && ["bridge", "host", "none"].includes(name);
  const wire = localNetworkToWire(network);
  return { id, name, driver, scope, labels, builtin, fixed, inUse, createdAt, wire };
}

/**
 * What Swarm calls a network, and every node has of its own. Found by name in scope "swarm", where the docker CLI looks for a service's,
 * but not listed, as with Docker.
 */
function ofEveryNode({ id, name }: PredefinedNetwork): Listed {
  const nothing = { subnet: "", gateway: "", internal: false, ingress: false };
  return ofNode({ id, name, driver: name, scope: "swarm", ...nothing });
}

/** The control, on a manager; elsewhere undefined, for what a node can say without it. */
export function managerOf(backends: Backends): ManagerBackend | undefined {
  const { isManager, state } = backends.swarm.state();
  return isManager && state === "active" ? backends.manager() : undefined;
}

/** A manager tells of all networks of the cluster; a worker of the overlays it is on. */
export function allNetworks(backends: Backends): Listed[] {
  const cluster = managerOf(backends)?.networks.list().map(ofCluster) ?? [];
  const known = new Set(cluster.map(({ id }) => id));
  const local = backends.networks.list().filter(({ id }) => !known.has(id));
  return [...cluster, ...local.map(ofNode)];
}

/** By id, else by name, else by a unique beginning of the id. Faults in Docker's words. */
export function findNetwork(backends: Backends, ref: string, scope: string): Listed {
  const predefined = managerOf(backends) === undefined ? [] : PREDEFINED_NETWORKS.map(ofEveryNode);
  const all = [...allNetworks(backends), ...predefined].filter(
    (network) => scope === "" || network.scope === scope,
  );
  const named = all.filter(({ name }) => name === ref);
  const found = [
    all.filter(({ id }) => id === ref),
    // The node's own before the cluster's, of which it may be the namesake (moby daemon/network: FindNetwork).
    named.filter((network) => network.scope === "local"),
    named,
    all.filter(({ id }) => ref !== "" && id.startsWith(ref)),
  ].find((matches) => matches.length > 0);
  const [one] = found ?? [];
  if (one === undefined) throw new Fault("not-found", `network ${ref} not found`);
  if (found !== undefined && found.length > 1) {
    throw new Fault("invalid", `network ${ref} is ambiguous (${found.length} matches found)`);
  }
  return one;
}
