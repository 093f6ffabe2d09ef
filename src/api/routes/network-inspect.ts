import { networkContainersToWire, networkDetailsToWire } from "../../wire/index.ts";
import type { Backends } from "../backends.ts";
import { type ApiRequest, type ApiResponse, flag, json, param } from "../route.ts";
import { findNetwork, type Listed, managerOf } from "./network-search.ts";

/** GET /networks/{id}: with the containers of this node that are on it, and when asked what the cluster has there. */
export async function inspectNetwork(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const network = findNetwork(backends, param(request, "id"), request.query.get("scope") ?? "");
  const here = networkContainersToWire(network.id, await backends.containers.list());
  return json(200, {
    ...network.wire,
    ...(Object.keys(here).length > 0 && { Containers: here }),
    ...(flag(request.query, "verbose") && details(network, backends)),
  });
}

/** Only a manager knows more. */
function details({ id, scope }: Listed, backends: Backends): Record<string, unknown> {
  const manager = managerOf(backends);
  const network = scope === "swarm" ? manager?.networks.list().find((n) => n.id === id) : undefined;
  if (manager === undefined || network === undefined) return {};
  return networkDetailsToWire({
    network,
    use: manager.networks.addressUse(network),
    services: manager.services.list(),
    tasks: manager.tasks.list(),
    guests: manager.guests.list(),
    nodes: manager.nodes.list(),
  });
}
