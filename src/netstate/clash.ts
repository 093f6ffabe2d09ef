import { remembered } from "../lib/index.ts";
import { routeKey } from "./diff.ts";
import { hexMark } from "./ipvs.ts";
import type { Namespace } from "./node-network.ts";

const NONE: readonly never[] = [];

/** What a namespace can have only one of, by the name that makes it one. */
const UNIQUE = [
  unique(
    "link",
    (of) => of.links,
    (link) => link.name,
  ),
  unique(
    "address",
    (of) => of.addresses,
    (a) => `${a.address} on ${a.link}`,
  ),
  unique("route", (of) => of.routes, routeKey),
  unique(
    "neighbour",
    (of) => of.neighbours,
    (n) => `${n.address} on ${n.link}`,
  ),
  unique(
    "fdb entry",
    (of) => of.fdb,
    (entry) => `${entry.mac} on ${entry.link}`,
  ),
  unique(
    "IPVS service",
    (of) => of.ipvs?.services ?? NONE,
    ({ mark }) => hexMark(mark),
  ),
  unique(
    "table",
    (of) => of.tables,
    (table) => `${table.family} ${table.name}`,
  ),
];

/** Why no kernel can be made equal to this namespace: "link eth0 is wanted twice". Undefined when one can. */
export function findClash(namespace: Namespace): string | undefined {
  for (const clashIn of UNIQUE) {
    const clash = clashIn(namespace);
    if (clash !== "") return clash;
  }
  return undefined;
}

/** "" when there is none. A list that was looked at once is not looked at again. */
function unique<T>(
  what: string,
  listOf: (namespace: Namespace) => readonly T[],
  keyOf: (item: T) => string,
): (namespace: Namespace) => string {
  const clashOf = remembered((list: readonly T[]): string => {
    const seen = new Set<string>();
    for (const item of list) {
      const key = keyOf(item);
      if (seen.has(key)) return `${what} ${key} is wanted twice`;
      seen.add(key);
    }
    return "";
  });
  return (namespace) => clashOf(listOf(namespace));
}
