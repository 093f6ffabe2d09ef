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
  /** Services with other endpoints, or with an endpoint at one of those addresses. */
  readonly services: ReadonlySet<string>;
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
  readonly #endpoints = new Map<string, Set<EndpointFact>>();

  constructor(addressOf: AddressOf) {
    this.#addressOf = addressOf;
  }

  follow(lists: Lists): RosterChange {
    const addresses = new Set<string>();
    const services = new Set<string>();
    for (const [list, claims] of this.#claims.entries()) {
      const { gone, fresh } = differing<Row>(this.#lists[list] ?? [], lists[list] ?? []);
      for (const row of gone) this.#change(claims, row, addresses, (rows) => rows.filter((r) => r !== row));
      for (const row of fresh) this.#change(claims, row, addresses, (rows) => [...rows, row]);
    }
    const { gone, fresh } = differing(this.#lists[1], lists[1]);
    this.#group(gone, fresh, services);
    this.#lists = lists;
    for (const address of addresses)
      for (const row of this.#claims[1]?.get(address) ?? []) services.add((row as EndpointFact).serviceId);
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

  endpointsOf(serviceId: string): Iterable<EndpointFact> {
    return this.#endpoints.get(serviceId) ?? [];
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

  #group(gone: readonly EndpointFact[], fresh: readonly EndpointFact[], touched: Set<string>): void {
    for (const row of gone) {
      const rows = this.#endpoints.get(row.serviceId);
      rows?.delete(row);
      if (rows?.size === 0) this.#endpoints.delete(row.serviceId);
    }
    for (const row of fresh) {
      const rows = this.#endpoints.get(row.serviceId) ?? new Set();
      this.#endpoints.set(row.serviceId, rows.add(row));
    }
    for (const { serviceId } of [...gone, ...fresh]) touched.add(serviceId);
  }
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
