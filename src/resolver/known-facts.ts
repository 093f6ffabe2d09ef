import type {
  BridgeFact,
  EndpointFact,
  GuestFact,
  NetworkFact,
  NodeSettings,
  ServiceFact,
  TaskFact,
} from "../dataplane/index.ts";
import type { NameFacts } from "../dns/index.ts";
import { equal } from "../lib/index.ts";

/** What makes one list of rows of another: rows that are new or other than before, and the keys of those that are gone. */
export interface RowsChange<T> {
  readonly set: readonly T[];
  readonly gone: readonly string[];
}

/** What makes facts of the ones before. A change of one task costs one row to say, however many there are. */
export interface FactsChange {
  readonly self: NodeSettings;
  readonly networks: RowsChange<NetworkFact>;
  readonly services: RowsChange<ServiceFact>;
  readonly endpoints: RowsChange<EndpointFact>;
  readonly guests: RowsChange<GuestFact>;
  readonly tasks: RowsChange<TaskFact>;
  readonly bridges: RowsChange<BridgeFact>;
}

/** Facts as one side last had them: who tells makes changes of them, who hears makes them of changes. */
export class KnownFacts {
  #self: NodeSettings | undefined;
  readonly #networks = new KnownRows<NetworkFact>(({ id }) => id);
  readonly #services = new KnownRows<ServiceFact>(({ id }) => id);
  readonly #endpoints = new KnownRows<EndpointFact>(({ taskId }) => taskId);
  readonly #guests = new KnownRows<GuestFact>(({ id }) => id);
  readonly #tasks = new KnownRows<TaskFact>(({ taskId }) => taskId);
  readonly #bridges = new KnownRows<BridgeFact>(({ id }) => id);

  /** What makes `facts` of those known; they are known then. Undefined when nothing does. A row is the same as long as it is the same object. */
  changeTo(facts: NameFacts): FactsChange | undefined {
    const { self } = facts;
    const change = {
      networks: this.#networks.changeTo(facts.networks),
      services: this.#services.changeTo(facts.services),
      endpoints: this.#endpoints.changeTo(facts.endpoints),
      guests: this.#guests.changeTo(facts.guests ?? []),
      tasks: this.#tasks.changeTo(facts.tasks),
      bridges: this.#bridges.changeTo(facts.bridges ?? []),
    };
    const isOther = Object.values(change).some(({ set, gone }) => set.length + gone.length > 0);
    if (!isOther && equal(self, this.#self)) return undefined;
    this.#self = self;
    return { self, ...change };
  }

  /** The facts that the change makes of those known; they are known then. */
  apply({ self, networks, services, endpoints, guests, tasks, bridges }: FactsChange): NameFacts {
    return {
      self,
      networks: this.#networks.apply(networks),
      services: this.#services.apply(services),
      endpoints: this.#endpoints.apply(endpoints),
      guests: this.#guests.apply(guests),
      tasks: this.#tasks.apply(tasks),
      bridges: this.#bridges.apply(bridges),
    };
  }
}

class KnownRows<T> {
  readonly #rows = new Map<string, T>();
  readonly #keyOf: (row: T) => string;

  constructor(keyOf: (row: T) => string) {
    this.#keyOf = keyOf;
  }

  changeTo(rows: readonly T[]): RowsChange<T> {
    const set = rows.filter((row) => this.#rows.get(this.#keyOf(row)) !== row);
    for (const row of set) this.#rows.set(this.#keyOf(row), row);
    if (this.#rows.size === rows.length) return { set, gone: [] };
    const kept = new Set(rows.map(this.#keyOf));
    const gone = [...this.#rows.keys()].filter((key) => !kept.has(key));
    for (const key of gone) this.#rows.delete(key);
    return { set, gone };
  }

  apply({ set, gone }: RowsChange<T>): readonly T[] {
    for (const key of gone) this.#rows.delete(key);
    for (const row of set) this.#rows.set(this.#keyOf(row), row);
    return [...this.#rows.values()];
  }
}
