import { sharedEnds } from "../lib/index.ts";
import type { EndpointFact, TaskFact } from "./facts.ts";

/** Who says that it has an address. */
export interface Owner {
  readonly taskId: string;
  readonly nodeId: string;
}

export type AddressOf = (row: Pick<TaskFact, "taskId" | "addresses" | "addresses6">) => string | undefined;
type Row = Owner & Pick<TaskFact, "taskId" | "addresses" | "addresses6">;
/** This node's tasks, endpoints, attachments: what a later list says counts more. */
type Lists = readonly [readonly Row[], readonly EndpointFact[], readonly Row[]];

/** What is another than at the last call. */
export interface RosterChange {
  readonly addresses: ReadonlySet<string>;
  /** By service, which of its endpoints' addresses to look at again: an endpoint came or went there, or the address may have another owner. */
  readonly services: ReadonlyMap<string, ReadonlySet<string>>;
}

/**
 * Who has which address of one network, in one family. It is told whole lists, and looks only at the rows that are not the same
 * objects as before; what it says depends on the last lists alone.
 */
export class Roster {
  readonly #addressOf: AddressOf;
  #lists: Lists = [[], [], []];
  /** By list, and there by address. */
  readonly #claims = [0, 1, 2].map(() => new Map<string, readonly Row[]>());

  constructor(addressOf: AddressOf) {
    this.#addressOf = addressOf;
  }

  follow(lists: Lists): RosterChange {
    const addresses = new Set<string>();
    const services = new Map<string, Set<string>>();
    const endpoints = differing(this.#lists[1], lists[1]);
    const changes = [differing(this.#lists[0], lists[0]), endpoints, differing(this.#lists[2], lists[2])];
    this.#lists = lists;
    for (const [list, claims] of this.#claims.entries()) {
      const { gone = [], fresh = [] } = changes[list] ?? {};
      for (const row of gone) this.#change(claims, row, addresses, (rows) => rows.filter((r) => r !== row));
      for (const row of fresh) this.#change(claims, row, addresses, (rows) => [...rows, row]);
    }
    for (const row of endpoints.gone) add(services, row.serviceId, this.#addressOf(row));
    for (const address of addresses)
      for (const { serviceId } of this.#endpointsAt(address)) add(services, serviceId, address);
    return { addresses, services };
  }

  /**
   * The one task that has the address. A manager's word counts more than the agent's: a task that it lists no more may linger here
   * for a moment beside the next owner of its address. Of several in one list the one with the greatest id has it.
   */
  ownerOf(address: string): Owner | undefined {
    const claims = this.#claims.map((list) => list.get(address) ?? []);
    const all = claims.flat();
    const [first] = all;
    const contested = all.some((row) => row.taskId !== first?.taskId || row.nodeId !== first.nodeId);
    if (!contested) return first;
    const last = claims.findLast((rows) => rows.length > 0);
    return last?.reduce((a, b) => (a.taskId < b.taskId ? b : a));
  }

  /** The service's endpoint at an address; of several, that with the greatest id. */
  endpointAt(address: string, serviceId: string): EndpointFact | undefined {
    const [first, ...more] = this.#endpointsAt(address).filter((row) => row.serviceId === serviceId);
    return first && more.reduce((a, b) => (a.taskId < b.taskId ? b : a), first);
  }

  #endpointsAt(address: string): readonly EndpointFact[] {
    return (this.#claims[1]?.get(address) ?? []) as readonly EndpointFact[];
  }

  #change(
    claims: Map<string, readonly Row[]>,
    row: Row,
    touched: Set<string>,
    change: (rows: readonly Row[]) => readonly Row[],
  ): void {
    const address = this.#addressOf(row);
    if (address === undefined) return;
    touched.add(address);
    const rows = change(claims.get(address) ?? []);
    if (rows.length === 0) claims.delete(address);
    else claims.set(address, rows);
  }
}

function add(services: Map<string, Set<string>>, serviceId: string, address: string | undefined): void {
  if (address === undefined) return;
  const addresses = services.get(serviceId) ?? new Set();
  services.set(serviceId, addresses.add(address));
}

/** Rows of one list that are not, as the same objects, in the other. */
export function differing<T extends object>(
  before: readonly T[],
  after: readonly T[],
): { readonly gone: T[]; readonly fresh: T[] } {
  const { head, tail } = sharedEnds(before, after, Object.is);
  const had = new Set(before.slice(head, before.length - tail));
  const fresh = after.slice(head, after.length - tail).filter((row) => !had.delete(row));
  return { gone: [...had], fresh };
}
