import { networkInterfaces } from "node:os";
import type { TraceBackend } from "../api/index.ts";
import type { Kernel } from "../kernel/index.ts";
import { Fault } from "../lib/index.ts";
import type { NetworkApplier } from "../network/index.ts";
import type { Containers } from "../runtime/index.ts";
import { explain } from "../trace/index.ts";
import { requireContainer, TASK_ID_LABEL } from "./container-places.ts";
import type { Membership } from "./membership.ts";

export interface TraceParts {
  readonly membership: Pick<Membership, "facts">;
  readonly network: Pick<NetworkApplier, "observe">;
  readonly containers: Pick<Containers, "list">;
  readonly kernel: Pick<Kernel, "portsInUse">;
}

/** Reads this node's kernel, and explains what it holds. */
export function traceBackend({ membership, network, containers, kernel }: TraceParts): TraceBackend {
  return {
    async explain(question) {
      const facts = membership.facts();
      if (facts === undefined) throw new Fault("precondition", "cannot trace: this node is in no swarm");
      const state = await network.observe();
      const ground = { facts, own: hostAddresses(), listening: await kernel.portsInUse() };
      try {
        return explain(state, ground, question);
      } catch (error) {
        const client = Fault.is(error, "not-found") ? await taskOf(containers, question.client) : undefined;
        if (client === undefined) throw error;
        return explain(state, ground, { ...question, client });
      }
    },
  };
}

/** The task, or the container made by hand, that one may have meant by its container. */
async function taskOf(containers: TraceParts["containers"], ref: string): Promise<string | undefined> {
  try {
    const { id, labels } = requireContainer(await containers.list(), ref);
    return labels[TASK_ID_LABEL] ?? id;
  } catch {
    return undefined;
  }
}

/** Of all links of the host. Loopback's are everybody's. */
function hostAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.filter(({ internal }) => !internal).map(({ address }) => address),
  );
}
