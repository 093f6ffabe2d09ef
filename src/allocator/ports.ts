import { DYNAMIC_PORTS, type PortSpec, type Protocol, type Service } from "../model/index.ts";

/** Published ports of the whole cluster (ingress mode), and who has them. */
export class PortTable {
  readonly #owner = new Map<string, string>();

  take(port: PortSpec, serviceId: string): void {
    if (port.publishMode === "ingress" && port.published !== 0) this.#owner.set(keyOf(port), serviceId);
  }

  /** The service that holds this port, when it is another one. */
  holder(port: PortSpec, serviceId: string): string | undefined {
    const owner = this.#owner.get(keyOf(port));
    return owner === serviceId ? undefined : owner;
  }

  /** A free port of the dynamic range. */
  dynamic(protocol: Protocol): number | undefined {
    for (let published = DYNAMIC_PORTS.first; published <= DYNAMIC_PORTS.last; published++) {
      if (!this.#owner.has(`${protocol}/${published}`)) return published;
    }
    return undefined;
  }
}

/** Two words on one and the same port of the container, published through the mesh. */
function isSame(a: PortSpec, b: PortSpec): boolean {
  return a.target === b.target && a.protocol === b.protocol && a.publishMode === b.publishMode;
}

function keyOf(port: Pick<PortSpec, "protocol" | "published">): string {
  return `${port.protocol}/${port.published}`;
}

/**
 * The service's ports with numbers, or the sentence why not. A port that was given a number for the same target before
 * keeps it (swarmkit portallocator.go).
 */
export function grantPorts(service: Service, table: PortTable): { ports: PortSpec[] } | { error: string } {
  const before = service.endpoint?.ports ?? [];
  const ports: PortSpec[] = [];
  for (const spec of service.spec.endpoint.ports) {
    if (spec.publishMode === "host") {
      ports.push(spec);
      continue;
    }
    const given = new Set(ports.map(keyOf));
    const kept = before.find((p) => isSame(p, spec) && !given.has(keyOf(p)));
    const published = spec.published || kept?.published || table.dynamic(spec.protocol);
    if (published === undefined) return { error: "no free port is left between 30000 and 32767" };
    const port = { ...spec, published };
    const holder = table.holder(port, service.id);
    if (holder !== undefined) return { error: `port '${published}' is already in use by service ${holder}` };
    table.take(port, service.id);
    ports.push(port);
  }
  return { ports };
}
