import { equal, sharedEnds } from "../lib/index.ts";
import { diffIpvs } from "./diff-ipvs.ts";
import type { Link, Namespace, NftTable, Route, RouteRule } from "./node-network.ts";
import {
  type LinkSetting,
  type ObservedNamespace,
  type Operation,
  stageOf,
  type TableName,
} from "./operations.ts";
import { diffXfrm } from "./xfrm.ts";

/**
 * The steps that make `now` into `want`, in the order in which they are due. Empty when nothing differs. What `want` leaves
 * to the kernel (a link's MAC or MTU) is no difference.
 */
export function diffNamespace(now: ObservedNamespace, want: Namespace): Operation[] {
  const lost = lostLinks(now.links, want.links);
  const left = withoutLostLinks(now, lost);
  const operations = [
    ...diffLinks(now, want),
    ...diffSysctls(left, want),
    ...diffAddresses(left, want),
    ...diffRoutes(left, want),
    ...diffRules(left, want),
    ...diffNeighbours(withoutFlushed(left, want), want),
    ...diffTables(withoutLame(now, lost), want),
    ...diffXfrm(now.xfrm, want.xfrm),
    ...diffIpvs(now, want),
  ];
  return operations
    .map((operation) => ({ operation, stage: stageOf(operation) }))
    .sort((a, b) => a.stage - b.stage)
    .map(({ operation }) => operation);
}

/** What is left of a namespace when these links go: the kernel takes all that hangs on them along. */
export function withoutLostLinks(now: ObservedNamespace, lost: ReadonlySet<string>): ObservedNamespace {
  if (lost.size === 0) return now;
  const stays = (on: { readonly link: string }) => !lost.has(on.link);
  const sysctls = Object.entries(now.sysctls).filter(([key]) => !lost.has(linkOfSysctl(key) ?? ""));
  return {
    ...now,
    links: now.links.filter((link) => !lost.has(link.name)),
    addresses: now.addresses.filter(stays),
    routes: now.routes.filter(stays),
    neighbours: now.neighbours.filter(stays),
    fdb: now.fdb.filter(stays),
    sysctls: Object.fromEntries(sysctls),
    ...(now.down !== undefined && { down: now.down.filter((name) => !lost.has(name)) }),
  };
}

/** "sh-t1" of "net.ipv4.conf.sh-t1.rp_filter": the fourth part, which may be "all" or "default". */
export function linkOfSysctl(key: string): string | undefined {
  return /^net\.ipv[46]\.(?:conf|neigh)\.(.+)\.[^.]+$/.exec(key)?.[1];
}

/** Names of the links that go, or go and come again. */
export function lostLinks(now: readonly Link[], want: readonly Link[]): Set<string> {
  const wanted = new Map(want.map((link) => [link.name, link]));
  const lost = now.filter((link) => {
    const to = wanted.get(link.name);
    return to === undefined || !sameDevice(link, to);
  });
  return new Set(lost.map((link) => link.name));
}

/** Whether one can become the other without being made anew. */
function sameDevice(a: Link, b: Link): boolean {
  switch (a.kind) {
    case "veth":
      return b.kind === "veth" && equal(a.peer, b.peer);
    case "vxlan":
      return b.kind === "vxlan" && a.vni === b.vni && a.local === b.local && a.port === b.port;
    case "bridge":
      return b.kind === "bridge";
  }
}

function diffLinks(now: ObservedNamespace, want: Namespace): Operation[] {
  const lost = lostLinks(now.links, want.links);
  const there = new Map(now.links.filter((l) => !lost.has(l.name)).map((link) => [link.name, link]));
  const down = new Set(now.down);
  const wanted = new Set(want.links.map((link) => link.name));
  const removed = [...lost].map((name): Operation => ({ op: "remove-link", name, again: wanted.has(name) }));
  const raised = down.has("lo") ? [{ op: "raise-link", name: "lo" } as const] : [];
  const changed = mastersFirst(want.links).flatMap((link): Operation[] => {
    const is = there.get(link.name);
    if (is === undefined) return [{ op: "add-link", link }];
    const changes = changedSettings(is, link);
    if (changes.length > 0) return [{ op: "set-link", link, changes }];
    return down.has(link.name) ? [{ op: "raise-link", name: link.name }] : [];
  });
  return [...removed, ...raised, ...changed];
}

/** A port needs its bridge. */
function mastersFirst(links: readonly Link[]): Link[] {
  return [
    ...links.filter((link) => link.kind === "bridge"),
    ...links.filter((link) => link.kind !== "bridge"),
  ];
}

function changedSettings(is: Link, to: Link): LinkSetting[] {
  return [
    ...(to.mac !== undefined && is.mac !== to.mac ? (["mac"] as const) : []),
    ...(to.mtu !== undefined && is.mtu !== to.mtu ? (["mtu"] as const) : []),
    ...(is.master !== to.master ? (["master"] as const) : []),
    ...((is.isolated ?? false) !== (to.isolated ?? false) ? (["isolated"] as const) : []),
  ];
}

/** What concerns no link that we make comes early: new links inherit it. */
function diffSysctls(left: ObservedNamespace, want: Namespace): Operation[] {
  const links = new Set(want.links.map((link) => link.name));
  return Object.entries(want.sysctls)
    .filter(([key, value]) => left.sysctls[key] !== value)
    .map(([key, value]) => ({ op: "set-sysctl", key, value, early: !links.has(linkOfSysctl(key) ?? "") }));
}

function diffAddresses(left: ObservedNamespace, want: Namespace): Operation[] {
  const { gone, fresh } = compare(left.addresses, want.addresses, (a) => `${a.link} ${a.address}`);
  return [
    ...gone.map((address): Operation => ({ op: "remove-address", address })),
    ...fresh.map((address): Operation => ({ op: "put-address", address })),
  ];
}

/** When an address goes, the kernel drops the routes that have it as source, and others of its link: those are put again. */
function diffRoutes(left: ObservedNamespace, want: Namespace): Operation[] {
  const removed = compare(left.addresses, want.addresses, (a) => `${a.link} ${a.address}`).gone;
  const links = new Set(removed.map((address) => address.link).filter((link) => link !== "lo"));
  const sources = new Set(removed.map((address) => address.address.split("/")[0]));
  const shaky = (route: Route) => links.has(route.link) || sources.has(route.source);
  const { gone, fresh } = compare(left.routes, want.routes, routeKey);
  const put = new Set(fresh);
  const isAgain = (route: Route) => shaky(route) && !put.has(route);
  const again = removed.length === 0 ? [] : want.routes.filter(isAgain);
  return [
    ...gone.filter((route) => !shaky(route)).map((route): Operation => ({ op: "remove-route", route })),
    ...gone.filter(shaky).map((route): Operation => ({ op: "remove-route", route })),
    // Routes without a gateway first: the others may go through them.
    ...[...fresh, ...again].sort(gatewaysLast).map((route): Operation => ({ op: "put-route", route })),
  ];
}

const gatewaysLast = (a: Route, b: Route): number =>
  Number(a.via !== undefined) - Number(b.via !== undefined);
export const routeKey = (route: Route): string => `${route.table ?? "main"} ${route.destination}`;
export const ruleKey = (rule: RouteRule): string =>
  `${rule.priority} ${rule.from ?? "all"} ${rule.mark ?? "any"} ${rule.table}`;

function diffRules(left: ObservedNamespace, want: Namespace): Operation[] {
  const { gone, fresh } = compare(left.rules, want.rules, ruleKey);
  return [
    ...gone.map((rule): Operation => ({ op: "remove-rule", rule })),
    ...fresh.map((rule): Operation => ({ op: "put-rule", rule })),
    ...(left.unruled ?? []).map((family): Operation => ({ op: "restore-rule", family })),
  ];
}

/** A new MAC makes the kernel forget all neighbours on the link, the permanent ones too (net/ipv4/arp.c, NETDEV_CHANGEADDR). */
function withoutFlushed(left: ObservedNamespace, want: Namespace): ObservedNamespace {
  const macs = new Map(left.links.map((link) => [link.name, link.mac]));
  const changed = want.links.filter(({ name, mac }) => mac !== undefined && macs.get(name) !== mac);
  if (changed.length === 0) return left;
  const flushed = new Set(changed.map((link) => link.name));
  return { ...left, neighbours: left.neighbours.filter(({ link }) => !flushed.has(link)) };
}

function diffNeighbours(left: ObservedNamespace, want: Namespace): Operation[] {
  const hosts = compare(left.neighbours, want.neighbours, (n) => `${n.link} ${n.address}`);
  const macs = compare(left.fdb, want.fdb, (f) => `${f.link} ${f.mac}`);
  return [
    ...hosts.gone.map((neighbour): Operation => ({ op: "remove-neighbour", neighbour })),
    ...hosts.fresh.map((neighbour): Operation => ({ op: "put-neighbour", neighbour })),
    ...macs.gone.map((entry): Operation => ({ op: "remove-fdb", entry })),
    ...macs.fresh.map((entry): Operation => ({ op: "put-fdb", entry })),
  ];
}

/** A flow table loses devices that go, and does not get them again when they come: such a table is no more known. */
function withoutLame(now: ObservedNamespace, lost: ReadonlySet<string>): ObservedNamespace {
  const there = new Set(now.links.map(({ name }) => name).filter((name) => !lost.has(name)));
  const isLame = ({ flowtables = [] }: NftTable) =>
    flowtables.some(({ devices }) => devices.some((device) => !there.has(device)));
  const lame = now.tables.filter(isLame);
  if (lame.length === 0) return now;
  const tables = now.tables.filter((table) => !lame.includes(table));
  return { ...now, tables, strange: [...(now.strange ?? []), ...lame] };
}

function diffTables(now: ObservedNamespace, want: Namespace): Operation[] {
  const key = (table: TableName) => `${table.family} ${table.name}`;
  const there = new Map(now.tables.map((table) => [key(table), table]));
  const wanted = new Set(want.tables.map(key));
  const gone = [...now.tables, ...(now.strange ?? [])].filter((table) => !wanted.has(key(table)));
  const put = want.tables.flatMap((table): Operation[] => {
    const from = there.get(key(table));
    if (from === undefined) return [{ op: "put-table", table }];
    return equal(from, table) ? [] : [{ op: "change-table", from, table }];
  });
  const removed = gone.map(
    ({ family, name }): Operation => ({ op: "remove-table", table: { family, name } }),
  );
  return [...put, ...removed];
}

/**
 * What is in `now` under a key that `want` does not have; what is in `want` and differs from what `now` has under its key.
 * Keys are unique in each list, so what both begin and end with need not be looked at.
 */
function compare<T>(
  now: readonly T[],
  want: readonly T[],
  keyOf: (item: T) => string,
): { readonly gone: T[]; readonly fresh: T[] } {
  const { head, tail } = sharedEnds(now, want);
  const before = now.slice(head, now.length - tail);
  const after = want.slice(head, want.length - tail);
  const there = new Map(before.map((item) => [keyOf(item), item]));
  const wanted = new Set(after.map(keyOf));
  return {
    gone: before.filter((item) => !wanted.has(keyOf(item))),
    fresh: after.filter((item) => !equal(there.get(keyOf(item)), item)),
  };
}
