import { equal, remembered, sharedEnds } from "../lib/index.ts";
import { hostRoutes } from "./host-routes.ts";
import type { Ipvs } from "./ipvs.ts";
import { changedDraws, readDraw } from "./nft-draw.ts";
import type { Namespace, NftTable, Route } from "./node-network.ts";
import type { ObservedNamespace, TableName } from "./operations.ts";

/** Tracked connections that a change has made wrong, and that the kernel would go on translating as before. */
export interface StaleConnections {
  /** There is no way to these addresses any more: every connection to them is dead. */
  readonly gone: readonly string[];
  /** A balancer gives nothing to these any more. TCP to them may end in peace; UDP has no end. */
  readonly left: readonly string[];
  /** Addresses, UDP ports and ports of one address ("192.0.2.1:53") that had nobody behind them: what was refused must be tried anew. */
  readonly opened: readonly (string | number)[];
  /**
   * Addresses and ports whose rules were missing in part or in whole, as after a flush: what began without them, and the kernel does not hold
   * for assured yet (nf_conntrack_common.h), begins anew with them. Else a caller who never stops would never get through.
   */
  readonly begun: readonly (string | number)[];
}

/** IPv4, or IPv6 as RFC 5952 writes it (and not the colons of nft(8)). */
const ADDRESS_REGEXP = /\b\d{1,3}(?:\.\d{1,3}){3}\b|(?<![\w:])[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])/g;
const ONE_ADDRESS_REGEXP = new RegExp(`^(?:${ADDRESS_REGEXP.source})$`);

/**
 * What to forget of the connections of a namespace when it goes from `now` to `want`. `made`: by this process it was once as it was wanted, so
 * a table that is strange has been changed by others since. To a process that has just started all tables are strange, and may be in order.
 */
export function staleConnections(now: ObservedNamespace, want: Namespace, made: boolean): StaleConnections {
  const gone = lostAddresses(now.routes, want.routes);
  const drawn = leftByDraws(now, want);
  if (drawn !== undefined) return { gone, left: drawn, opened: [], begun: [] };
  const before = destinations(now);
  const after = destinations(want);
  const left = [...before].flatMap(([from, to]) => {
    const still = after.get(from);
    if (still === to) return [];
    return [...to].filter((address) => !still?.has(address));
  });
  // Of a table that nobody knows, nothing is known to be new.
  const known = (now.strange ?? []).length === 0 && now.tables.length > 0;
  const opened = [...after].flatMap(([from, to]) => {
    return known && to.size > 0 && (before.get(from)?.size ?? 0) === 0 ? udpDoorOf(from) : [];
  });
  return {
    gone,
    left: [...new Set(left)],
    opened: [...new Set(opened)],
    begun: begunWithout(missedBy(now, want, made), want, [...after.keys()]),
  };
}

/** Families of which a table is not there, or not as it was made. */
function missedBy(now: ObservedNamespace, want: Namespace, made: boolean): ReadonlySet<NftTable["family"]> {
  const there = new Set([...now.tables, ...(made ? [] : (now.strange ?? []))].map(tableKey));
  return new Set(want.tables.filter((table) => !there.has(tableKey(table))).map(({ family }) => family));
}

function begunWithout(
  missed: ReadonlySet<NftTable["family"]>,
  want: Namespace,
  doors: readonly string[],
): (string | number)[] {
  if (missed.size === 0) return [];
  const isMissed = (family: "ip" | "ip6") => missed.has(family) || missed.has("inet");
  const places = [...hostRoutes(want)].filter((address) => isMissed(address.includes(":") ? "ip6" : "ip"));
  const ends = doors.filter((from) => isMissed(from.startsWith("ip6/") ? "ip6" : "ip")).flatMap(doorOf);
  return [...new Set([...places, ...ends])];
}

const tableKey = ({ family, name }: TableName): string => `${family} ${name}`;

/** Addresses that had a way of their own and have none any more. Routes that both lists share are not looked at. */
function lostAddresses(now: readonly Route[], want: readonly Route[]): string[] {
  const { head, tail } = sharedEnds(now, want);
  const had = hostRoutes({ routes: now.slice(head, now.length - tail) });
  const has = hostRoutes({ routes: want.slice(head, want.length - tail) });
  const lost = new Set([...had].filter((address) => !has.has(address)));
  if (lost.size === 0) return [];
  // What both lists share may have another way there.
  const ways = new Map(
    [...lost].flatMap((address) => [`${address}/32`, `${address}/128`].map((way) => [way, address])),
  );
  for (const { destination } of want) lost.delete(ways.get(destination) ?? "");
  return [...lost];
}

/**
 * What no draw gives anything to any more, when the tables differ in nothing else: then nothing was opened, and there is no need to look at
 * all that leads anywhere. Undefined when they do, or a chain had nobody before.
 */
function leftByDraws(now: ObservedNamespace, want: Namespace): string[] | undefined {
  if (now.tables.length !== want.tables.length || !equal(now.ipvs, want.ipvs)) return undefined;
  const left = new Set<string>();
  for (const [i, to] of want.tables.entries()) {
    const from = now.tables[i];
    if (from === to) continue;
    const draws = from && changedDraws(from, to);
    if (draws === undefined) return undefined;
    for (const { chain: name, backends } of draws) {
      const chain = from?.chains.find((each) => each.name === name);
      const before = chain && (readDraw(chain)?.backends ?? [...targetsOf(chain.rules)]);
      if (before === undefined || before.length === 0) return undefined;
      // None is drawn by two numbers, so what both lists begin and end with is in neither between.
      const { head, tail } = sharedEnds(before, backends, Object.is);
      const still = new Set(backends.slice(head, backends.length - tail));
      for (const address of before.slice(head, before.length - tail))
        if (!still.has(address)) left.add(address);
    }
  }
  return [...left];
}

/**
 * What leads where by translation, over all tables: key is an element of a map or set ("10.0.1.5", "udp . 80"), or a rule of a
 * base chain; the value is the addresses that it may be translated to. Remembered: what is true now was to be made true before.
 */
const destinations = remembered(({ tables, ipvs }: Namespace): ReadonlyMap<string, ReadonlySet<string>> => {
  const found = new Map<string, ReadonlySet<string>>();
  const marked = targetsByMark(ipvs);
  for (const table of tables) {
    const chains = new Map(table.chains.map((chain) => [chain.name, targetsOf(chain.rules)]));
    for (const map of table.maps) {
      for (const [key, value] of Object.entries(map.elements))
        found.set(
          `${table.family}/${map.name} ${key}`,
          chains.get(value.replace(/^goto /, "")) ??
            marked.get(Number(value)) ??
            addressesIn(map.value, value),
        );
    }
    for (const { name, base, rules } of table.chains)
      for (const rule of base === undefined ? [] : rules)
        addSets(found, table, `${table.family}/${name} ${rule}`, targetsOf([rule]));
  }
  return found;
});

/** IPVS takes what bears a mark. */
function targetsByMark(ipvs: Ipvs | undefined): Map<number, Set<string>> {
  const rows = ipvs?.services.map(
    ({ mark, destinations: to }) => [mark, new Set(to.map(({ address }) => address))] as const,
  );
  return new Map(rows);
}

/** A rule that translates whatever is in a set does so for each of its elements. */
function addSets(
  found: Map<string, ReadonlySet<string>>,
  { family, sets }: NftTable,
  key: string,
  targets: ReadonlySet<string>,
): void {
  const set = sets.find(({ name }) => new RegExp(`@${name}\\b`).test(key));
  if (set === undefined) found.set(key, targets);
  else for (const element of set.elements) found.set(`${family}/${set.name} ${element}`, targets);
}

/** Remembered by the list of rules: most chains are the same from one value to the next. */
const targetsOf = remembered(
  (rules: readonly string[]): ReadonlySet<string> =>
    new Set(rules.flatMap((rule) => /\bdnat\b.*/.exec(rule)?.[0].match(ADDRESS_REGEXP) ?? [])),
);

function addressesIn(type: string, value: string): Set<string> {
  return new Set(/^ipv[46]_addr/.test(type) ? (value.match(ADDRESS_REGEXP) ?? []) : []);
}

/** The address or port, or both ("192.0.2.1:53"), at which a map's or set's element stands. */
function doorOf(from: string): (string | number)[] {
  const [, key = ""] = /^\S+ (.*)$/.exec(from) ?? [];
  const [, at, bound] = /^([\d.]+) \. \w+ \. (\d+)$/.exec(key) ?? [];
  if (at !== undefined) return [`${at}:${bound}`];
  const port = /^\w+ \. (\d+)$/.exec(key)?.[1];
  if (port !== undefined) return [Number(port)];
  return ONE_ADDRESS_REGEXP.test(key) ? [key] : [];
}

const udpDoorOf = (from: string): (string | number)[] => (/ (?:tcp|sctp) \. /.test(from) ? [] : doorOf(from));
