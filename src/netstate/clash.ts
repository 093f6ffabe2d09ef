import { routeKey } from "./diff.ts";
import { hexMark } from "./ipvs.ts";
import type { Namespace } from "./node-network.ts";

/** What a namespace can have only one of, by the name that makes it one. */
const UNIQUE: readonly {
  readonly what: string;
  readonly keys: (namespace: Namespace) => readonly string[];
}[] = [
  { what: "link", keys: ({ links }) => links.map((link) => link.name) },
  { what: "address", keys: ({ addresses }) => addresses.map((a) => `${a.address} on ${a.link}`) },
  { what: "route", keys: ({ routes }) => routes.map(routeKey) },
  { what: "neighbour", keys: ({ neighbours }) => neighbours.map((n) => `${n.address} on ${n.link}`) },
  { what: "fdb entry", keys: ({ fdb }) => fdb.map((entry) => `${entry.mac} on ${entry.link}`) },
  {
    what: "IPVS service",
    keys: ({ ipvs }) => ipvs?.services.map(({ mark }) => hexMark(mark)) ?? [],
  },
  { what: "table", keys: ({ tables }) => tables.map((table) => `${table.family} ${table.name}`) },
];

/** Why no kernel can be made equal to this namespace: "link eth0 is wanted twice". Undefined when one can. */
export function findClash(namespace: Namespace): string | undefined {
  for (const { what, keys } of UNIQUE) {
    const seen = new Set<string>();
    for (const key of keys(namespace)) {
      if (seen.has(key)) return `${what} ${key} is wanted twice`;
      seen.add(key);
    }
  }
  return undefined;
}
