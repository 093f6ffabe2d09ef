import { remembered } from "../lib/index.ts";
import { HOST, type ObservedNamespace, type Route } from "../netstate/index.ts";
import { bitsOfBlockWith, isIn } from "./blocks.ts";
import { isIp6 } from "./packet.ts";

const MAIN = 254;
/** Asked first; a route of ours in it goes before the kernel's own. */
const LOCAL = 255;

/** What a namespace does with a destination. */
export type Direction =
  | { readonly kind: "local" }
  | { readonly kind: "by"; readonly route: Route }
  /** Of the host: it has routes of its own, which are no part of a NodeNetwork. */
  | { readonly kind: "own-routes" }
  | { readonly kind: "nowhere"; readonly because: string };

export interface Question {
  readonly destination: string;
  readonly source: string;
  readonly mark: number;
}

export const isDown = ({ down = [] }: ObservedNamespace, link: string): boolean => down.includes(link);

/**
 * Whether the address is one of the namespace's own. Of IPv4 it is so with its link down, too (fib_sync_down_dev); IPv6 forgets it.
 */
export function isLocal(namespace: ObservedNamespace, address: string): boolean {
  if (isIn(address, "127.0.0.0/8")) return true;
  if (address === "::1") return !isDown(namespace, "lo");
  const links = ownAddresses(namespace).get(address) ?? [];
  return links.some((link) => (isIp6(address) ? hasLink(namespace, link) : isThere(namespace, link)));
}

/** The links that have an address, of all addresses: a sandbox has one for each VIP. */
const ownAddresses = remembered((namespace: ObservedNamespace): ReadonlyMap<string, readonly string[]> => {
  const made = new Map<string, string[]>();
  for (const { link, address } of namespace.addresses) {
    const ip = address.split("/")[0] ?? "";
    made.set(ip, [...(made.get(ip) ?? []), link]);
  }
  return made;
});

const isThere = (namespace: ObservedNamespace, name: string): boolean =>
  name === "lo" || namespace.links.some((link) => link.name === name);

function hasLink(namespace: ObservedNamespace, name: string): boolean {
  return isThere(namespace, name) && !isDown(namespace, name);
}

/** As the kernel decides: its own addresses, then the policy rules, each table by the longest prefix. */
export function direct(name: string, namespace: ObservedNamespace, question: Question): Direction {
  const taken = longest(namespace, LOCAL, question.destination);
  if (taken !== undefined) return { kind: "by", route: taken };
  if (isLocal(namespace, question.destination)) return { kind: "local" };
  const tables = tablesFor(namespace, question);
  for (const table of tables) {
    const route = longest(namespace, table, question.destination);
    if (route !== undefined) return { kind: "by", route };
  }
  if (name === HOST) return { kind: "own-routes" };
  return { kind: "nowhere", because: lackOf(namespace, question, tables) };
}

function tablesFor({ rules, unruled = [] }: ObservedNamespace, question: Question): number[] {
  const six = isIp6(question.destination);
  const matching = rules.filter(
    ({ from, mark }) =>
      isIp6(from ?? "") === six &&
      (from === undefined || isIn(question.source, from)) &&
      (mark === undefined || mark === question.mark),
  );
  const own = [...matching].sort((a, b) => a.priority - b.priority).map(({ table }) => table);
  return unruled.includes(six ? "ip6" : "ip") ? own : [...own, MAIN];
}

function longest(namespace: ObservedNamespace, table: number, destination: string): Route | undefined {
  const { byHost, wide } = sortedRoutes(namespace);
  const usable = (route: Route) => (route.table ?? MAIN) === table && hasLink(namespace, route.link);
  const exact = byHost.get(destination)?.find(usable);
  if (exact !== undefined) return exact;
  let best: { readonly bits: number; readonly route: Route } | undefined;
  for (const route of wide.filter(usable)) {
    const bits = bitsOfBlockWith(destination, route.destination);
    if (bits !== undefined && bits > (best?.bits ?? -1)) best = { bits, route };
  }
  return best?.route;
}

/** Routes to one address by that address, and the others: a node has thousands of the first kind. */
interface SortedRoutes {
  readonly byHost: ReadonlyMap<string, readonly Route[]>;
  readonly wide: readonly Route[];
}

const sortedRoutes = remembered((namespace: ObservedNamespace): SortedRoutes => {
  const byHost = new Map<string, Route[]>();
  const wide: Route[] = [];
  for (const route of [...namespace.routes, ...(namespace.otherRoutes ?? connectedRoutes(namespace))]) {
    const host = /^(.*)\/(?:32|128)$/.exec(route.destination)?.[1];
    if (host === undefined || (isIp6(host) && route.destination.endsWith("/32"))) wide.push(route);
    else byHost.set(host, [...(byHost.get(host) ?? []), route]);
  }
  return { byHost, wide };
});

/** The routes that the kernel makes by itself of addresses with a subnet. */
function connectedRoutes({ addresses }: ObservedNamespace): Route[] {
  return addresses.flatMap(({ link, address }) =>
    link === "lo" || /\/(32|128)$/.test(address) ? [] : [{ destination: address, link }],
  );
}

function lackOf(namespace: ObservedNamespace, { destination }: Question, tables: readonly number[]): string {
  const downs = namespace.routes.filter(
    (route) => !hasLink(namespace, route.link) && isIn(destination, route.destination),
  );
  const [first] = downs;
  if (first !== undefined) return `no route to ${destination}: link ${first.link} is down`;
  if (tables.length === 0) return `no rule leads to a routing table for ${destination}`;
  return `no route to ${destination}`;
}

/** The link by which an answer to `source` would leave: what path filters ask. */
export function linkTo(
  name: string,
  namespace: ObservedNamespace,
  source: string,
  mark = 0,
): string | undefined {
  const direction = direct(name, namespace, { destination: source, source: "", mark });
  return direction.kind === "by" ? direction.route.link : undefined;
}
