import { DYNAMIC_PORTS, type PortSpec, type Protocol, type Service } from "../model/index.ts";
import { type Books, portKey } from "./books.ts";

/** Two words on one and the same port of the container, published through the mesh. */
function isSame(a: PortSpec, b: PortSpec): boolean {
  return a.target === b.target && a.protocol === b.protocol && a.publishMode === b.publishMode;
}

/**
 * The service's ports with numbers, or the sentence why not. A port that was given a number for the same target before
 * keeps it (swarmkit portallocator.go).
 */
export function grantPorts(service: Service, books: Books): { ports: PortSpec[] } | { error: string } {
  const before = service.endpoint?.ports ?? [];
  const ports: PortSpec[] = [];
  for (const spec of service.spec.endpoint.ports) {
    if (spec.publishMode === "host") {
      ports.push(spec);
      continue;
    }
    const given = new Set(ports.map(portKey));
    const kept = before.find((p) => isSame(p, spec) && !given.has(portKey(p)));
    const published = spec.published || kept?.published || dynamicPort(books, spec.protocol);
    if (published === undefined) return { error: "no free port is left between 30000 and 32767" };
    const port = { ...spec, published };
    const holder = books.publishers(portKey(port)).find((id) => id !== service.id);
    if (holder !== undefined) return { error: `port '${published}' is already in use by service ${holder}` };
    books.publish(portKey(port), service.id, 1);
    ports.push(port);
  }
  return { ports };
}

/** A free port of the dynamic range. */
function dynamicPort(books: Books, protocol: Protocol): number | undefined {
  for (let published = DYNAMIC_PORTS.first; published <= DYNAMIC_PORTS.last; published++) {
    if (books.publishers(portKey({ protocol, published })).length === 0) return published;
  }
  return undefined;
}
