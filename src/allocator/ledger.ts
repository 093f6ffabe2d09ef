import { type Attachment, isTerminal, type Network, type Node, type Task } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { AddressPool } from "./pool.ts";
import { PortTable } from "./ports.ts";

interface Book {
  readonly name: string;
  readonly pool: AddressPool;
  /** Given and taken back in this pass. */
  readonly returned: string[];
  /** Nodes that have no address here yet. */
  strangers: number;
  /** Tasks with an address here that may land on, or are on, such a node. */
  airborne: number;
  newest: { readonly at: number; readonly address: string };
}

export type Grant = { readonly address: string } | { readonly error: string };

/** Who holds which number now, read from the objects themselves. */
export class Ledger {
  readonly ports: PortTable = new PortTable();
  readonly ingress: Network | undefined;
  readonly #books = new Map<string, Book>();

  constructor(view: View, networks: ReadonlyMap<string, Network>) {
    for (const network of networks.values()) this.#open(network);
    this.ingress = [...networks.values()].find((n) => n.spec.ingress && n.state !== undefined);
    for (const service of view.all("service")) {
      for (const vip of service.endpoint?.vips ?? []) this.#hold(vip, service.createdAt);
      for (const port of service.endpoint?.ports ?? []) this.ports.take(port, service.id);
    }
    for (const node of view.all("node")) this.#enterNode(node);
    for (const task of view.all("task")) this.#enterTask(task, view);
    for (const { pool, newest } of this.#books.values()) pool.continueAfter(newest.address);
  }

  /** A free address of the network, or the sentence why there is none. */
  give(networkId: string): Grant {
    const book = this.#books.get(networkId);
    if (book === undefined) return { error: `network ${networkId} is not allocated` };
    const address = book.returned.pop() ?? book.pool.give();
    return address === undefined ? { error: `network ${book.name} has no free address` } : { address };
  }

  /**
   * As `give`, for a task: only when one more is left for the node it may land on, which needs an address of its own there.
   * Without it the task would be placed and then have no network.
   */
  giveToTask(networkId: string): Grant {
    const book = this.#books.get(networkId);
    if (book === undefined) return this.give(networkId);
    const reserve = Math.min(book.strangers, book.airborne + 1);
    if (book.pool.free + book.returned.length <= reserve) {
      return { error: `network ${book.name} has no free address` };
    }
    book.airborne += 1;
    return this.give(networkId);
  }

  /** Takes back what this very pass gave to a task. */
  release({ networkId, address }: Attachment): void {
    const book = this.#books.get(networkId);
    if (book === undefined) return;
    book.returned.push(address);
    book.airborne -= 1;
  }

  #open(network: Network): void {
    if (network.state === undefined) return;
    const { subnet, gateway, ipRange } = network.state;
    const pool = new AddressPool(subnet, ipRange ?? subnet);
    pool.take(gateway);
    for (const address of Object.values(network.spec.ipam[0]?.auxAddresses ?? {})) pool.take(address);
    this.#books.set(network.id, {
      name: network.spec.name,
      pool,
      returned: [],
      strangers: 0,
      airborne: 0,
      newest: { at: 0, address: "" },
    });
  }

  #enterNode(node: Node): void {
    for (const [networkId, address] of Object.entries(node.attachments)) {
      this.#hold({ networkId, address }, node.createdAt);
    }
    if (node.status.state === "down") return;
    for (const [id, book] of this.#books) if (node.attachments[id] === undefined) book.strangers += 1;
  }

  /** A task that ended holds nothing, but what it had is not given again soon. */
  #enterTask(task: Task, view: View): void {
    const node = task.nodeId === undefined ? undefined : view.get("node", task.nodeId);
    for (const attachment of task.attachments) {
      if (isTerminal(task)) {
        this.#mark(attachment, task.createdAt);
        continue;
      }
      this.#hold(attachment, task.createdAt);
      const book = this.#books.get(attachment.networkId);
      if (book !== undefined && node?.attachments[attachment.networkId] === undefined) book.airborne += 1;
    }
  }

  #hold(attachment: Attachment, at: number): void {
    this.#books.get(attachment.networkId)?.pool.take(attachment.address);
    this.#mark(attachment, at);
  }

  #mark({ networkId, address }: Attachment, at: number): void {
    const book = this.#books.get(networkId);
    if (book !== undefined && at >= book.newest.at) book.newest = { at, address };
  }
}
