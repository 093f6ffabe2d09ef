import { Fault } from "../lib/index.ts";
import type { BridgeSpec, LocalNetwork } from "../model/index.ts";
import type { LocalNetworks, NetworkConnection } from "./backends.ts";

/** Networks of a node in memory, with what came with it. */
export class FakeLocalNetworks implements LocalNetworks {
  readonly #own: () => readonly LocalNetwork[];
  readonly #made: LocalNetwork[] = [];
  /** "container network" -> what it asked for. */
  readonly connections: Map<string, NetworkConnection> = new Map<string, NetworkConnection>();

  /** `own`: what came with the node. */
  constructor(own: () => readonly LocalNetwork[] = () => []) {
    this.#own = own;
  }

  list(): LocalNetwork[] {
    const isInUse = (id: string) => [...this.connections.keys()].some((key) => key.endsWith(id));
    return [...this.#own(), ...this.#made.map((network) => ({ ...network, inUse: isInUse(network.id) }))];
  }

  async create(spec: BridgeSpec): Promise<LocalNetwork> {
    const { name, labels, options, internal, attachable } = spec;
    const number = this.#made.length + 20;
    const made: LocalNetwork = {
      ...{ id: `${number}`.repeat(32), name, driver: "bridge", scope: "local", custom: true, createdAt: 0 },
      ...{ subnet: `172.${number}.0.0/16`, gateway: `172.${number}.0.1`, ingress: false },
      ...{ labels, options, internal, attachable },
    };
    this.#made.push(made);
    return made;
  }

  async remove(id: string): Promise<void> {
    const network = this.list().find((one) => one.id === id);
    if (network?.inUse) {
      const what = `network ${network.name} id ${id} has active endpoints`;
      throw new Fault("forbidden", `error while removing network: ${what}`);
    }
    this.#made.splice(
      this.#made.findIndex((one) => one.id === id),
      1,
    );
  }

  async connect(containerId: string, networkId: string, wish: NetworkConnection): Promise<void> {
    this.connections.set(`${containerId} ${networkId}`, wish);
  }

  async disconnect(containerId: string, { id }: { readonly id: string }): Promise<void> {
    this.connections.delete(`${containerId} ${id}`);
  }
}
