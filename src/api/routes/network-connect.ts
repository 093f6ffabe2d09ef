import { Fault } from "../../lib/index.ts";
import { containerNameFromWire, wantedNetworksFromWire } from "../../wire/index.ts";
import type { Backends, ContainerInfo } from "../backends.ts";
import { type ApiRequest, type ApiResponse, param } from "../route.ts";
import { findNetwork, type Listed, managerOf } from "./network-search.ts";

/**
 * POST /networks/{id}/connect: the containers here belong to services, whose networks are the service's words. What
 * cannot be in Docker either is refused in Docker's words.
 */
export async function connectNetwork(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const { network } = await bothOf(request, backends);
  checkAttachable(backends, network.id);
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

/**
 * POST /containers/create, of `docker run`: containers come of services. One that names a network it could not be on in Docker either is
 * told so in Docker's words.
 */
export async function refuseContainer(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  for (const name of wantedNetworksFromWire(await request.json())) checkAttachable(backends, name);
  throw new Fault(
    "unsupported",
    "creating a container (docker run) is not supported yet: the containers of this node belong to services",
  );
}

/** `ref`: a name or an id. Only managers know of attachable networks; other nodes let pass what they do not know. */
function checkAttachable(backends: Backends, ref: string): void {
  const networks = managerOf(backends)?.networks.list() ?? [];
  const network = networks.find(({ id }) => id === ref) ?? networks.find(({ spec }) => spec.name === ref);
  if (network === undefined || network.spec.attachable) return;
  const { name } = network.spec;
  const what = `rpc error: code = PermissionDenied desc = network ${name} not manually attachable`;
  throw new Fault("forbidden", `Could not attach to network ${name}: ${what}`);
}
