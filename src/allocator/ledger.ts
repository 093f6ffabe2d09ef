import { type Attachment, isTerminal, type Network } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { AddressPool } from "./pool.ts";
import { PortTable } from "./ports.ts";

/** Who holds which number now, read from the objects themselves. */
export class Ledger {
  readonly ports: PortTable = new PortTable();
  readonly ingress: Network | undefined;
  readonly #pools = new Map<string, { readonly name: string; readonly pool: AddressPool }>();
  readonly #free = new Map<string, string[]>();

  constructor(view: View, networks: ReadonlyMap<string, Network>) {
    for (const network of networks.values()) this.#open(network);
    this.ingress = [...networks.values()].find((n) => n.spec.ingress && n.state !== undefined);
    const newest = new Map<string, { version: number; address: string }>();
    const hold = (networkId: string, address: string, version: number) => {
      this.#pools.get(networkId)?.pool.take(address);
      if (version >= (newest.get(networkId)?.version ?? 0)) newest.set(networkId, { version, address });
    };
    for (const service of view.all("service")) {
      for (const vip of service.endpoint?.vips ?? []) hold(vip.networkId, vip.address, service.createdAt);
      for (const port of service.endpoint?.ports ?? []) this.ports.take(port, service.id);
    }
    for (const node of view.all("node")) {
      for (const [networkId, address] of Object.entries(node.attachments))
        hold(networkId, address, node.createdAt);
    }
    for (const task of view.all("task")) {
      if (isTerminal(task)) continue;
      for (const { networkId, address } of task.attachments) hold(networkId, address, task.createdAt);
    }
    for (const [networkId, { address }] of newest) this.#pools.get(networkId)?.pool.continueAfter(address);
  }

  /** A free address of the network, or the sentence why there is none. */
  give(networkId: string): { address: string } | { error: string } {
    const held = this.#pools.get(networkId);
    if (held === undefined) return { error: `network ${networkId} is not allocated` };
    const address = this.#free.get(networkId)?.pop() ?? held.pool.give();
    return address === undefined ? { error: `network ${held.name} has no free address` } : { address };
  }

  /** Takes back what this very pass gave. */
  release({ networkId, address }: Attachment): void {
    this.#free.set(networkId, [...(this.#free.get(networkId) ?? []), address]);
  }

  #open(network: Network): void {
    if (network.state === undefined) return;
    const { subnet, gateway, ipRange } = network.state;
    const pool = new AddressPool(subnet, ipRange ?? subnet);
    pool.take(gateway);
    for (const address of Object.values(network.spec.ipam[0]?.auxAddresses ?? {})) pool.take(address);
    this.#pools.set(network.id, { name: network.spec.name, pool });
  }
}
