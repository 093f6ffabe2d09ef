import { Fault } from "../../lib/index.ts";
import { connectionFromWire, containerNameFromWire } from "../../wire/index.ts";
import type { Backends, ContainerInfo } from "../backends.ts";
import { type ApiRequest, type ApiResponse, empty, param } from "../route.ts";
import { findNetwork, type Listed, managerOf } from "./network-search.ts";

/**
 * POST /networks/{id}/connect: of a container made by hand. Those of services have the networks that the service's words say. What
 * cannot be in Docker either is refused in Docker's words.
 */
export async function connectNetwork(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const { container: ref, ...wish } = connectionFromWire(await request.json());
  const container = await backends.containers.get(ref);
  const network = mayBeElsewhere(backends, param(request, "id"), container);
  if (network !== undefined) checkAttachable(backends, network.id);
  if (!isByHand(container))
    throw new Fault("unsupported", `connecting a container to a network is not supported yet: ${BY_SERVICE}`);
  if (network !== undefined) checkOfContainers(network);
  await backends.networks.connect(container.id, network?.id ?? param(request, "id"), wish);
  return empty(200);
}

/** POST /networks/{id}/disconnect; see `connectNetwork`. */
export async function disconnectNetwork(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const { network, container } = await bothOf(request, backends, containerNameFromWire(await request.json()));
  if (!container.networks.some((place) => isAt(place, network))) {
    throw new Fault("forbidden", `container ${container.id} is not connected to network ${network.name}`);
  }
  if (!isByHand(container))
    throw new Fault(
      "unsupported",
      `disconnecting a container from a network is not supported yet: ${BY_SERVICE}`,
    );
  if (network.driver === "null") throw new Fault("unsupported", NO_WAY_FROM_NONE);
  await backends.networks.disconnect(container.id, network);
  return empty(200);
}

/** Of a container that does not run a network's id may not be known: its name tells. */
const isAt = ({ networkId, name }: ContainerInfo["networks"][number], network: Listed): boolean =>
  networkId === network.id || (networkId === "" && (name === network.name || name === network.id));

/**
 * The network; undefined in a swarm for one that this node does not know and a running container is to come to: a manager may know it,
 * and says so then, as with Docker.
 */
function mayBeElsewhere(backends: Backends, ref: string, { status }: ContainerInfo): Listed | undefined {
  try {
    return findNetwork(backends, ref, "");
  } catch (error) {
    const isAsked = backends.swarm.state().state === "active" && status === "running";
    if (isAsked && Fault.is(error, "not-found")) return undefined;
    throw error;
  }
}

const NO_WAY_FROM_NONE =
  "disconnecting a container from network none is not supported yet: make it anew, on a network";

const BY_SERVICE =
  "a service's containers are on the service's networks; use docker service update --network-add and --network-rm";

/** Of no service. */
export const isByHand = ({ labels }: ContainerInfo): boolean => labels["com.docker.swarm.task"] === undefined;

/** moby daemon/container_operations.go: what has no sandbox of its own can be connected to nothing. */
function checkOfContainers({ driver }: Listed): void {
  if (driver === "host")
    throw new Fault(
      "forbidden",
      "container cannot be disconnected from host network or connected to host network",
    );
  if (driver === "null")
    throw new Fault(
      "forbidden",
      "container cannot be connected to multiple networks with one of the networks in private (none) mode",
    );
}

/** Faults "not-found" in Docker's words; the container first. */
async function bothOf(
  request: ApiRequest,
  backends: Backends,
  ref: string,
): Promise<{ network: Listed; container: ContainerInfo }> {
  const container = await backends.containers.get(ref);
  return { network: findNetwork(backends, param(request, "id"), ""), container };
}

/** `ref`: a name or an id. Only managers know of attachable networks; other nodes let pass what they do not know. */
export function checkAttachable(backends: Backends, ref: string): void {
  const networks = managerOf(backends)?.networks.list() ?? [];
  const network = networks.find(({ id }) => id === ref) ?? networks.find(({ spec }) => spec.name === ref);
  if (network === undefined || network.spec.attachable) return;
  const { name } = network.spec;
  const what = `rpc error: code = PermissionDenied desc = network ${name} not manually attachable`;
  throw new Fault("forbidden", `Could not attach to network ${name}: ${what}`);
}
