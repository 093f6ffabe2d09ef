import { Fault } from "../../lib/index.ts";
import type { Network } from "../../model/index.ts";
import { parseFilters, pruneTest } from "../../wire/index.ts";
import type { Backends, ManagerBackend } from "../backends.ts";
import { type ApiRequest, type ApiResponse, json } from "../route.ts";
import { managerOf } from "./network-search.ts";

const FILTERS = ["label", "label!", "until"];

/**
 * POST /networks/prune: removes the networks that nobody uses. As with Docker the ingress network stays, since it is
 * removed by its name only; a node that is no manager has no network that could go.
 */
export async function pruneNetworks(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const goes = pruneTest(parseFilters(request.query.get("filters"), FILTERS), request.clock.now());
  const manager = managerOf(backends);
  const deleted: string[] = [];
  for (const network of manager?.networks.list() ?? []) {
    const { name, labels, ingress } = network.spec;
    if (ingress || !goes({ createdAt: network.createdAt, labels })) continue;
    if (manager !== undefined && (await isRemoved(manager, network))) deleted.push(name);
  }
  return json(200, { NetworksDeleted: deleted.length > 0 ? deleted : null });
}

/** False: it is in use, or somebody else was first. */
async function isRemoved({ networks }: ManagerBackend, { id }: Network): Promise<boolean> {
  try {
    await networks.remove(id);
    return true;
  } catch (error) {
    if (error instanceof Fault && (error.kind === "precondition" || error.kind === "not-found")) return false;
    throw error;
  }
}
