import { sharedEnds } from "../lib/index.ts";
import { routeKey } from "./diff.ts";
import { hexMark } from "./ipvs.ts";
import { EMPTY_NAMESPACE, type Namespace } from "./node-network.ts";

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

/**
 * Why no kernel can be made equal to this namespace: "link eth0 is wanted twice". Undefined when one can. Of what it shares with
 * another that was looked at, as the same objects at the same ends of its lists, nothing is looked at again.
 */
export function findClash(namespace: Namespace, other: Namespace = EMPTY_NAMESPACE): string | undefined {
  for (const clashIn of UNIQUE) {
    const clash = clashIn(namespace, other);
    if (clash !== "") return clash;
  }
  return undefined;
}

/** "" when there is none. */
function unique<T>(
  what: string,
  listOf: (namespace: Namespace) => readonly T[],
  keyOf: (item: T) => string,
): (namespace: Namespace, other: Namespace) => string {
  /** The keys of lists without a clash. They go on from one list to the next. */
  const keysOf = new WeakMap<readonly T[], Set<string>>();
  return (namespace, other) => {
    const [list, before] = [listOf(namespace), listOf(other)];
    if (keysOf.has(list)) return "";
    const known = keysOf.get(before);
    keysOf.delete(before);
    const { head, tail } = known === undefined ? NOTHING_SHARED : sharedEnds(before, list, Object.is);
    const keys = known ?? new Set();
    if (known !== undefined)
      for (const item of before.slice(head, before.length - tail)) keys.delete(keyOf(item));
    for (const item of list.slice(head, list.length - tail)) {
      const key = keyOf(item);
      if (keys.has(key)) return `${what} ${key} is wanted twice`;
      keys.add(key);
    }
    keysOf.set(list, keys);
    return "";
  };
}

const NOTHING_SHARED = { head: 0, tail: 0 };
