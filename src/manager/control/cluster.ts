import { createRootCa, newTokenSecret } from "../../identity/index.ts";
import { Fault, newId, overlaps, requireCidr } from "../../lib/index.ts";
import {
  type Cluster,
  type ClusterSpec,
  DEFAULT_ADDRESS_POOLS,
  DEFAULT_CLUSTER_SPEC,
  DEFAULT_DATA_PATH_PORT,
  DEFAULT_SUBNET_SIZE,
  INGRESS_NAME,
  type NetworkSpec,
  newMeta,
  put,
} from "../../model/index.ts";
import type { ControlParts } from "./parts.ts";

/** What `swarm init` may choose once and for all. */
export interface ClusterChoice {
  readonly spec?: ClusterSpec;
  readonly addressPools?: readonly string[];
  readonly subnetSize?: number;
  readonly dataPathPort?: number;
}

/** The cluster object: made once, read often, its tokens rotated. */
export class ClusterControl {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  /** The cluster. Fault "unavailable" on a store that holds none. */
  get(): Cluster {
    const cluster = this.#parts.store.view.cluster();
    if (cluster === undefined) throw new Fault("unavailable", "this manager's store holds no cluster");
    return cluster;
  }

  /** A new cluster with its root CA, token secrets and ingress network, in one transaction. */
  async create(choice: ClusterChoice): Promise<Cluster> {
    const { store, clock, random } = this.#parts;
    const cluster = await newCluster(this.#parts, choice);
    const ingress = { ...newMeta(newId(random), clock.now()), spec: INGRESS_SPEC };
    await store.update([put("cluster", cluster), put("network", ingress)]);
    return this.get();
  }

  /** New words for the cluster, and new token secrets where asked. */
  async update(
    version: number,
    spec: ClusterSpec,
    rotate: { worker?: boolean; manager?: boolean },
  ): Promise<void> {
    const { random } = this.#parts;
    await this.#parts.store.mutate(() => {
      const cluster = this.get();
      if (cluster.version !== version) throw new Fault("conflict", "update out of sequence");
      const joinSecrets = {
        worker: rotate.worker ? newTokenSecret(random) : cluster.joinSecrets.worker,
        manager: rotate.manager ? newTokenSecret(random) : cluster.joinSecrets.manager,
      };
      return [put("cluster", { ...cluster, spec, joinSecrets })];
    });
  }
}

/** Swarm's own ingress network (swarm-map 1.6). */
export const INGRESS_SPEC: NetworkSpec = {
  name: INGRESS_NAME,
  labels: {},
  driver: "overlay",
  driverOptions: {},
  attachable: false,
  internal: false,
  ingress: true,
  ipam: [],
  ipamDriver: "default",
  ipamOptions: {},
};

async function newCluster(
  { clock, random, ownSubnets = [] }: ControlParts,
  choice: ClusterChoice,
): Promise<Cluster> {
  const addressPools = choice.addressPools?.length ? choice.addressPools : DEFAULT_ADDRESS_POOLS;
  const subnetSize = choice.subnetSize || DEFAULT_SUBNET_SIZE;
  for (const pool of addressPools) {
    const { base, bits } = requireCidr(pool);
    if (subnetSize > 29 || subnetSize < bits) {
      throw new Fault(
        "invalid",
        `invalid subnet size ${subnetSize}: must be from ${bits} to 29 for pool ${pool}`,
      );
    }
    const own = ownSubnets.find(({ subnet }) => overlaps(requireCidr(subnet), { base, bits: subnetSize }));
    if (own !== undefined) {
      const what = `its first subnet overlaps with ${own.name}, ${own.subnet}, of this node`;
      throw new Fault("invalid", `invalid default address pool ${pool}: ${what}`);
    }
  }
  const dataPathPort = choice.dataPathPort || DEFAULT_DATA_PATH_PORT;
  if (dataPathPort < 1024 || dataPathPort > 49151) {
    throw new Fault("invalid", "Datapath port is not valid: must be in the range [1024, 49151]");
  }
  return {
    ...newMeta(newId(random), clock.now()),
    spec: choice.spec ?? DEFAULT_CLUSTER_SPEC,
    rootCa: await createRootCa({ clock, random }),
    joinSecrets: { worker: newTokenSecret(random), manager: newTokenSecret(random) },
    addressPools,
    subnetSize,
    dataPathPort,
  };
}
