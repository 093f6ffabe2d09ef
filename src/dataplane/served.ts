import { remembered } from "../lib/index.ts";
import type { Backend, PublishedService } from "./balancer.ts";
import { behindPort } from "./behind-port.ts";
import { Derived } from "./derived.ts";
import type { EndpointFact, NetworkFact, PortFact, ServiceFact } from "./facts.ts";
import { sortBy } from "./ordered-list.ts";
import { Remembered, sameItems } from "./remembered.ts";

/** A service as a network has it. */
export interface Service {
  readonly id: string;
  readonly vip: string | undefined;
  /** On the ingress network. */
  readonly published: readonly Pick<PublishedService, "port" | "backends">[];
  /** Addresses of its endpoints that this node can reach. */
  readonly backends: readonly string[];
}

/** A task that takes a service's traffic on a network, at an address of it that this node can reach. */
export interface Reached {
  readonly address: string;
  readonly ports: EndpointFact["ports"];
}

const REACHED = new Remembered<EndpointFact, Reached>();

export function reachedAt(address: string, endpoint: EndpointFact): Reached {
  const { ports } = endpoint;
  return REACHED.get(
    endpoint,
    (known) => known.address === address,
    () => ({ address, ports }),
  );
}

interface Known {
  readonly ports: readonly PortFact[];
  readonly tasks: readonly Reached[];
  readonly made: Service;
}

/** Of a service the same object again, when it has changed in nothing. */
const SERVICES = new Remembered<ServiceFact, Known>();

/** The service's presence on the network: by VIP, by published ports (ingress), or not at all. `tasks` are in the order of their addresses. */
export function servedAs(
  network: NetworkFact,
  service: ServiceFact,
  address: string | undefined,
  tasks: readonly Reached[],
): Service | undefined {
  const vip = network.ingress ? undefined : address;
  const ports = network.ingress ? service.ports : NO_PORTS;
  if (vip === undefined && ports.length === 0) return undefined;
  // Also when it was known before: what is derived of these tasks is what the next ones' is derived from.
  const backends = ADDRESSES.of(tasks);
  const published = sortBy(ports, byPort).map((port) => ({ port, backends: backendsOf(port).of(tasks) }));
  const fits = (known: Known) =>
    known.made.vip === vip && known.ports === ports && sameItems(known.tasks, tasks);
  return SERVICES.get(service, fits, () => {
    return { ports, tasks, made: { id: service.id, vip, published, backends } };
  }).made;
}

const ADDRESSES = new Derived(({ address }: Reached): string[] => [address]);

const backendsOf = remembered(
  (port: PortFact) => new Derived((task: Reached): Backend[] => behindPort(port, task)),
);

const NO_PORTS: readonly PortFact[] = [];

/** Key of a published port, unique in a cluster. */
export const byPort = (port: PortFact): string => `${port.protocol}/${port.published}`;
