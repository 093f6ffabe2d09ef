import { Fault } from "../../lib/index.ts";
import { containerNameFromWire } from "../../wire/index.ts";
import type { Backends, ContainerInfo } from "../backends.ts";
import { type ApiRequest, type ApiResponse, param } from "../route.ts";
import { findNetwork, type Listed, managerOf } from "./network-search.ts";

/**
 * POST /networks/{id}/connect: the containers here belong to services, whose networks are the service's words. What
 * cannot be in Docker either is refused in Docker's words.
 */
export async function connectNetwork(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const { network } = await bothOf(request, backends);
  const cluster = managerOf(backends)
    ?.networks.list()
    .find(({ id }) => id === network.id);
  if (cluster !== undefined && !cluster.spec.attachable) {
    const what = `rpc error: code = PermissionDenied desc = network ${network.name} not manually attachable`;
    throw new Fault("forbidden", `Could not attach to network ${network.name}: ${what}`);
  }
  throw new Fault("unsupported", `connecting a container to a network is not supported yet: ${BY_SERVICE}`);
}

/** POST /networks/{id}/disconnect; see `connectNetwork`. */
export async function disconnectNetwork(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const { network, container } = await bothOf(request, backends);
  if (!container.networks.some(({ networkId }) => networkId === network.id)) {
    throw new Fault("forbidden", `container ${container.id} is not connected to network ${network.name}`);
  }
  throw new Fault(
    "unsupported",
    `disconnecting a container from a network is not supported yet: ${BY_SERVICE}`,
  );
}

const BY_SERVICE =
  "the containers of this node belong to services; use docker service update --network-add and --network-rm";

/** Faults "not-found" in Docker's words; the container first. */
async function bothOf(
  request: ApiRequest,
  backends: Backends,
): Promise<{ network: Listed; container: ContainerInfo }> {
  const name = containerNameFromWire(await request.json());
  const container = await backends.containers.get(name);
  return { network: findNetwork(backends, param(request, "id"), ""), container };
}
