import { Fault } from "../../lib/index.ts";
import { parseFilters, pruneTest } from "../../wire/index.ts";
import type { Backends } from "../backends.ts";
import { type ApiRequest, type ApiResponse, json } from "../route.ts";
import { allNetworks, managerOf } from "./network-search.ts";

const FILTERS = ["label", "label!", "until"];

/**
 * POST /networks/prune: removes the networks that nobody uses: the node's own, and on a manager the cluster's. As with Docker the
 * ingress network stays, since it is removed by its name only.
 */
export async function pruneNetworks(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const goes = pruneTest(parseFilters(request.query.get("filters"), FILTERS), request.clock.now());
  const manager = managerOf(backends);
  const deleted: string[] = [];
  for (const network of allNetworks(backends)) {
    if (network.scope !== "local" || network.fixed || network.inUse || !goes(network)) continue;
    if (await isRemoved(backends.networks, network)) deleted.push(network.name);
  }
  for (const network of manager?.networks.list() ?? []) {
    const { name, labels, ingress } = network.spec;
    if (ingress || !goes({ createdAt: network.createdAt, labels })) continue;
    if (manager !== undefined && (await isRemoved(manager.networks, network))) deleted.push(name);
  }
  return json(200, { NetworksDeleted: deleted.length > 0 ? deleted : null });
}

/** False: it is in use, or somebody else was first. */
async function isRemoved(
  networks: { remove(id: string): Promise<void> },
  { id }: { readonly id: string },
): Promise<boolean> {
  try {
    await networks.remove(id);
    return true;
  } catch (error) {
    if (error instanceof Fault && ["precondition", "forbidden", "not-found"].includes(error.kind))
      return false;
    throw error;
  }
}
