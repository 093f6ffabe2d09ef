import type { NetworkApplier } from "../network/index.ts";
import type { Containers } from "../runtime/index.ts";

/**
 * Takes every task's container and the cluster's network off this node: it leaves the swarm. What containers made by hand use stays. No
 * agent may be running.
 */
export async function leaveNode({
  containers,
  network,
}: {
  readonly containers: Containers;
  readonly network: { readonly applier: Pick<NetworkApplier, "leave"> };
}): Promise<void> {
  const all = await containers.list({ "com.docker.swarm.task": "" });
  await Promise.all(all.map(({ id }) => containers.remove(id)));
  await network.applier.leave();
}
