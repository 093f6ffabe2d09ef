import { DYNAMIC_PORTS, type OwnPort, type PortSpec, type Protocol, type Service } from "../model/index.ts";
import { type Books, portKey } from "./books.ts";

/** Two words on one and the same port of the container, published through the mesh. */
function isSame(a: PortSpec, b: PortSpec): boolean {
  return a.target === b.target && a.protocol === b.protocol && a.publishMode === b.publishMode;
}

/** An ingress port whose number the user chose. */
function isChosen({ published, publishMode }: PortSpec): boolean {
  return publishMode === "ingress" && published !== 0;
}

/**
 * The service's ports with numbers, or the sentence why not. What the user chose goes before what is given out; a port that was given a
 * number for the same target before keeps it (swarmkit portallocator.go). `ownPorts`: those that the cluster itself needs.
 */
export function grantPorts(
  service: Service,
  books: Books,
  ownPorts: readonly OwnPort[],
): { ports: PortSpec[] } | { error: string } {
  const wanted = service.spec.endpoint.ports;
  const before = service.endpoint?.ports ?? [];
  const given = new Set([...wanted.filter(isChosen), ...ownPorts].map(portKey));
  const ports: PortSpec[] = [];
  for (const spec of wanted) {
    if (spec.publishMode === "host") {
      ports.push(spec);
      continue;
    }
    const kept = before.find((p) => isSame(p, spec) && !given.has(portKey(p)));
    const published = spec.published || kept?.published || dynamicPort(books, spec.protocol, given);
    if (published === undefined) return { error: "no free port is left between 30000 and 32767" };
    const port = { ...spec, published };
    const holder = books.publishers(portKey(port)).find((id) => id !== service.id);
    if (holder !== undefined) return { error: `port '${published}' is already in use by service ${holder}` };
    books.publish(portKey(port), service.id, 1);
    given.add(portKey(port));
    ports.push(port);
  }
  return { ports };
}

/** A port of the dynamic range that nobody has, nor this service shall have. */
function dynamicPort(books: Books, protocol: Protocol, given: ReadonlySet<string>): number | undefined {
  for (let published = DYNAMIC_PORTS.first; published <= DYNAMIC_PORTS.last; published++) {
    const key = portKey({ protocol, published });
    if (!given.has(key) && books.publishers(key).length === 0) return published;
  }
  return undefined;
}
