import { z } from "zod";
import {
  type AddressUse,
  type ContainerInfo,
  type Guest,
  isTerminal,
  type Network,
  type Node,
  type Service,
  type Task,
  taskName,
} from "../model/index.ts";
import { readJson, text } from "./json.ts";

/** What is on a network, across the cluster. */
export interface NetworkDetails {
  readonly network: Network;
  readonly use: readonly AddressUse[];
  readonly services: readonly Service[];
  readonly tasks: readonly Task[];
  readonly guests: readonly Guest[];
  readonly nodes: readonly Node[];
}

/**
 * What `network inspect --verbose` adds: Peers and Services as Swarm has them (moby api/types/network Inspect), told by
 * any manager and not only by a node that is on the network; and Status, how full its subnets are, as Docker 29 has it.
 */
export function networkDetailsToWire(details: NetworkDetails): Record<string, unknown> {
  const { network, use, nodes } = details;
  const subnets = use.map(({ subnet, inUse, free }) => [
    subnet,
    { IPsInUse: inUse, DynamicIPsAvailable: free },
  ]);
  const peers = nodes.filter(({ attachments }) => attachments[network.id] !== undefined);
  return {
    Peers: peers.map(({ id, dataPathAddress }) => ({ Name: id.slice(0, 12), IP: dataPathAddress })),
    Services: servicesOn(details),
    Status: { IPAM: { Subnets: Object.fromEntries(subnets) } },
  };
}

function servicesOn({ network, services, tasks, guests, nodes }: NetworkDetails): Record<string, unknown> {
  const hosts = new Map(nodes.map(({ id, dataPathAddress }) => [id, dataPathAddress]));
  const rows = services.flatMap((service) => {
    const vip = service.endpoint?.vips.find(({ networkId }) => networkId === network.id)?.address;
    const own = tasks.filter(({ serviceId }) => serviceId === service.id);
    const places = own.flatMap((task) => placeOf(task, network.id, hosts));
    if (vip === undefined && places.length === 0) return [];
    const Ports = network.spec.ingress ? portsOf(service) : [];
    return [[service.spec.name, { VIP: vip ?? "", Ports, LocalLBIndex: 0, Tasks: places }] as const];
  });
  const byHand = guests.flatMap((guest) => guestPlaceOf(guest, network.id, hosts));
  return {
    ...Object.fromEntries(rows),
    // Moby's name for what is of no service, and its word for no VIP (libnetwork agent.go Services).
    ...(byHand.length > 0 && { "": { VIP: "<nil>", Ports: [], LocalLBIndex: 0, Tasks: byHand } }),
  };
}

/** A container made by hand that is here. */
function guestPlaceOf(
  { id, spec, nodeId, attachments }: Guest,
  networkId: string,
  hosts: ReadonlyMap<string, string>,
): Record<string, unknown>[] {
  const place = attachments.find((a) => a.networkId === networkId);
  if (place === undefined) return [];
  const Info = { "Host IP": hosts.get(nodeId) ?? "" };
  return [{ Name: spec.name, EndpointID: id, EndpointIP: place.address, Info }];
}

/** Those that come in at the ingress network. */
function portsOf({ endpoint }: Service): string[] {
  const ports = endpoint?.ports.filter(({ publishMode }) => publishMode === "ingress") ?? [];
  return ports.map(({ target, published }) => `Target: ${target}, Publish: ${published}`);
}

/** A task that holds an address here. */
function placeOf(
  task: Task,
  networkId: string,
  hosts: ReadonlyMap<string, string>,
): Record<string, unknown>[] {
  const place = isTerminal(task) ? undefined : task.attachments.find((a) => a.networkId === networkId);
  if (place === undefined) return [];
  return [
    {
      Name: taskName(task),
      EndpointID: task.id,
      EndpointIP: place.address,
      Info: { "Host IP": hosts.get(task.nodeId ?? "") ?? "" },
    },
  ];
}

/** Containers of this node that are on the network, by id, as `network inspect` shows them. */
export function networkContainersToWire(
  networkId: string,
  containers: readonly ContainerInfo[],
): Record<string, unknown> {
  const rows = containers.flatMap(({ id, name, status, networks }) => {
    const place = status === "running" ? networks.find((n) => n.networkId === networkId) : undefined;
    if (place === undefined) return [];
    const row = {
      Name: name,
      EndpointID: "",
      MacAddress: place.mac,
      IPv4Address: place.address,
      IPv6Address: place.v6?.address ?? "",
    };
    return [[id, row] as const];
  });
  return Object.fromEntries(rows);
}

/** Of `POST /networks/{id}/connect` and `disconnect`, whom they are about; the rest is not read. */
export function containerNameFromWire(json: unknown): string {
  return readJson(z.object({ Container: text }), json, "request").Container;
}
