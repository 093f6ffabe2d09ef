import type { Route, RouteRule } from "../../netstate/index.ts";
import { attribute, decodeAttributes, type NetlinkMessage, readU8, readU32, u8, u32 } from "./codec.ts";
import { familyOf, ipBytes, readIp, splitPrefix } from "./formats.ts";
import { AF_INET, AF_INET6, AF_UNSPEC, OUR_PROTOCOL } from "./marks.ts";

/** linux/rtnetlink.h, fib_rules.h */
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;
export const RTM_NEWRULE = 32;
export const RTM_DELRULE = 33;
export const RTM_GETRULE = 34;
const MAIN = 254;
const LOCAL = 255;
/** net/ipv4/fib_rules.c: where the kernel itself puts the rule to the main table, and whose it is. */
const MAIN_PRIORITY = 32_766;
const RTPROT_KERNEL = 2;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PREFSRC = 7;
const RTA_TABLE = 15;
const RTN_UNICAST = 1;
const RTNH_F_ONLINK = 4;
/** What was learned of the path to one address by some route, and is listed with them: in IPv6 under the mark of who made the route. */
const RTM_F_CLONED = 0x200;
const SCOPE_GLOBAL = 0;
const SCOPE_LINK = 253;
/** Of a removal: any scope. */
const SCOPE_NOWHERE = 255;
const FRA_SRC = 2;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;
const WHOLE_MARK = 0xffffffff;
const FRA_PROTOCOL = 21;
const FR_ACT_TO_TBL = 1;
/** What routes and rules of everything are about, in IPv6; in IPv4 it is the word "default", or none. */
const ALL6 = "::/0";

export interface RawRoute {
  /** Index of the link it leads to; undefined for several, or none. */
  readonly index: number | undefined;
  readonly ours: boolean;
  /** Of somebody else (the kernel, an administrator), and one that decides where packets go. */
  readonly others: boolean;
  readonly route: Omit<Route, "link">;
}

/** struct rtmsg: family, dst length, src length, tos, table, protocol, scope, type, flags. */
function routeHeader(route: Route, bits: number, scope: number, type: number): Buffer {
  const header = Buffer.from([
    familyOf(route.destination),
    bits,
    0,
    0,
    0,
    OUR_PROTOCOL,
    scope,
    type,
    0,
    0,
    0,
    0,
  ]);
  header.writeUInt32LE(route.onlink ? RTNH_F_ONLINK : 0, 8);
  return header;
}

/** Body of the request that makes, or replaces, a route through the link with this index. */
export function putRouteBody(index: number, route: Route): Buffer {
  const { address, bits } = destinationOf(route);
  const scope = route.via === undefined ? SCOPE_LINK : SCOPE_GLOBAL;
  return Buffer.concat([
    routeHeader(route, bits, scope, RTN_UNICAST),
    ...routeTarget(route, address, bits),
    attribute(RTA_OIF, u32(index)),
    ...(route.via === undefined ? [] : [attribute(RTA_GATEWAY, ipBytes(route.via))]),
    ...(route.source === undefined ? [] : [attribute(RTA_PREFSRC, ipBytes(route.source))]),
  ]);
}

/** Body of the request that removes our route to this destination, through whatever link when none is said. */
export function removeRouteBody(index: number | undefined, route: Route): Buffer {
  const { address, bits } = destinationOf(route);
  return Buffer.concat([
    routeHeader({ ...route, onlink: false }, bits, SCOPE_NOWHERE, 0),
    ...routeTarget(route, address, bits),
    ...(index === undefined ? [] : [attribute(RTA_OIF, u32(index))]),
  ]);
}

function routeTarget(route: Route, address: string, bits: number): Buffer[] {
  return [
    attribute(RTA_TABLE, u32(route.table ?? MAIN)),
    ...(bits === 0 ? [] : [attribute(RTA_DST, ipBytes(address))]),
  ];
}

function destinationOf({ destination }: Route): { readonly address: string; readonly bits: number } {
  return splitPrefix(destination === "default" ? "0.0.0.0/0" : destination);
}

export const routeDump = (): Buffer => Buffer.from([AF_UNSPEC, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

export function readRoute({ body }: NetlinkMessage): RawRoute {
  const attributes = decodeAttributes(body.subarray(12));
  const table = readU32(attributes.get(RTA_TABLE)) ?? body.readUInt8(4);
  const via = readIp(attributes.get(RTA_GATEWAY));
  const source = readIp(attributes.get(RTA_PREFSRC));
  const family = body.readUInt8(0);
  const bits = body.readUInt8(1);
  const everything = family === AF_INET6 ? ALL6 : "default";
  const flags = body.readUInt32LE(8);
  const isOurs = body.readUInt8(5) === OUR_PROTOCOL;
  const isWay = isIp(family) && body.readUInt8(7) === RTN_UNICAST && (flags & RTM_F_CLONED) === 0;
  return {
    index: readU32(attributes.get(RTA_OIF)),
    others: isWay && !isOurs && table !== LOCAL,
    ours: isWay && isOurs,
    route: {
      destination: bits === 0 ? everything : `${readIp(attributes.get(RTA_DST)) ?? ""}/${bits}`,
      ...(via !== undefined && { via }),
      ...(source !== undefined && { source }),
      ...((flags & RTNH_F_ONLINK) !== 0 && { onlink: true }),
      ...(table !== MAIN && { table }),
    },
  };
}

const isIp = (family: number): boolean => family === AF_INET || family === AF_INET6;

/** struct fib_rule_hdr, laid out as rtmsg. Body of the requests that add and remove a policy rule. */
export function ruleBody({ priority, from, mark, table }: RouteRule): Buffer {
  const source = from === undefined || from === ALL6 ? undefined : splitPrefix(from);
  return Buffer.concat([
    Buffer.from([familyOf(from ?? ""), 0, source?.bits ?? 0, 0, 0, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0]),
    attribute(FRA_PRIORITY, u32(priority)),
    attribute(FRA_TABLE, u32(table)),
    attribute(FRA_PROTOCOL, u8(OUR_PROTOCOL)),
    ...(source === undefined ? [] : [attribute(FRA_SRC, ipBytes(source.address))]),
    // Without a mask the kernel takes mark 0 for none said.
    ...(mark === undefined ? [] : [attribute(FRA_FWMARK, u32(mark)), attribute(FRA_FWMASK, u32(WHOLE_MARK))]),
  ]);
}

/** Body of the request that makes the kernel's own rule to the main table anew. */
export function mainRuleBody(family: "ip" | "ip6"): Buffer {
  return Buffer.concat([
    Buffer.from([family === "ip" ? AF_INET : AF_INET6, 0, 0, 0, 0, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0]),
    attribute(FRA_PRIORITY, u32(MAIN_PRIORITY)),
    attribute(FRA_TABLE, u32(MAIN)),
    attribute(FRA_PROTOCOL, u8(RTPROT_KERNEL)),
  ]);
}

/** Of all rules of a namespace: the families whose main table none leads to, whatever the mark. A family without any rule is not there. */
export function unruledOf(rules: readonly NetlinkMessage[]): ("ip" | "ip6")[] {
  const targets = rules.map(({ body }) => {
    const attributes = decodeAttributes(body.subarray(12));
    const table = readU32(attributes.get(FRA_TABLE)) ?? body.readUInt8(4);
    return { family: body.readUInt8(0), table: attributes.has(FRA_FWMASK) ? undefined : table };
  });
  const lacks = (family: number) => {
    const own = targets.filter((target) => target.family === family);
    return own.length > 0 && !own.some(({ table }) => table === MAIN);
  };
  return [...(lacks(AF_INET) ? (["ip"] as const) : []), ...(lacks(AF_INET6) ? (["ip6"] as const) : [])];
}

/** The rule, when it is ours. */
export function readRule({ body }: NetlinkMessage): RouteRule | undefined {
  const attributes = decodeAttributes(body.subarray(12));
  const family = body.readUInt8(0);
  if (!isIp(family) || readU8(attributes.get(FRA_PROTOCOL)) !== OUR_PROTOCOL) return undefined;
  const source = readIp(attributes.get(FRA_SRC));
  const all = family === AF_INET6 ? ALL6 : undefined;
  const from = source === undefined ? all : `${source}/${body.readUInt8(2)}`;
  // A mark of 0 is not told, its mask is.
  const mark = readU32(attributes.get(FRA_FWMARK)) ?? (attributes.has(FRA_FWMASK) ? 0 : undefined);
  return {
    priority: readU32(attributes.get(FRA_PRIORITY)) ?? 0,
    table: readU32(attributes.get(FRA_TABLE)) ?? body.readUInt8(4),
    ...(from !== undefined && { from }),
    ...(mark !== undefined && { mark }),
  };
}
