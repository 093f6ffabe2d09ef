import type { ServiceFact } from "../dataplane/index.ts";
import type { Kernel } from "../kernel/index.ts";
import { type Log, messageOf } from "../lib/index.ts";
import type { HostPorts } from "../network/index.ts";

export interface MeshPortsParts {
  readonly kernel: Pick<Kernel, "portsInUse">;
  /** Ports of containers made by hand. */
  readonly hostPorts?: Pick<HostPorts, "isContainers">;
  readonly log: Log;
}

/** Says which ports of the mesh hide a program or a container of this host: the whole cluster has them, so no node can refuse one. */
export class MeshPorts {
  readonly #parts: MeshPortsParts;
  #known: ReadonlySet<string> = new Set();

  constructor(parts: MeshPortsParts) {
    this.#parts = parts;
  }

  /** Looks at those that are new; each is told of once while it is published. */
  async look(services: readonly ServiceFact[]): Promise<void> {
    const { kernel, log } = this.#parts;
    const published = services.flatMap(({ name, ports }) =>
      ports.map((port) => ({ service: name, port: `${port.protocol}/${port.published}` })),
    );
    const fresh = published.filter(({ port }) => !this.#known.has(port));
    this.#known = new Set(published.map(({ port }) => port));
    if (fresh.length === 0) return;
    try {
      const inUse = await kernel.portsInUse();
      for (const { service, port } of fresh) {
        if (inUse.has(port)) log.warn("published port hides a program of this host", { port, service });
        if (this.#parts.hostPorts?.isContainers(port))
          log.warn("published port hides a container made by hand", { port, service });
      }
    } catch (error) {
      log.debug("ports in use not known", { error: messageOf(error) });
    }
  }
}
