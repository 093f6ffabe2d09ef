import type { Kernel } from "../kernel/index.ts";
import type { Containers } from "../runtime/index.ts";

/** Takes every task's container and all network state off this node: it leaves the swarm. No agent may be running. */
export async function leaveNode({
  containers,
  kernel,
}: {
  readonly containers: Containers;
  readonly kernel: Kernel;
}): Promise<void> {
  const all = await containers.list({ "com.docker.swarm.task": "" });
  await Promise.all(all.map(({ id }) => containers.remove(id)));
  await kernel.destroy();
}
