import { release } from "node:os";
import { isIpv6 } from "../lib/index.ts";
import type { StaleConnections } from "../netstate/index.ts";
import { forgetConnections6 } from "./conntrack6.ts";
import { attribute, be16, nested, u8, u32 } from "./netlink/codec.ts";
import { ipv4Bytes } from "./netlink/formats.ts";
import { AF_INET, AF_INET6 } from "./netlink/marks.ts";
import type { NetlinkSocket, Refusal } from "./netlink/socket.ts";

/** linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h; the flags: net/netfilter/nf_internals.h */
const IPCTNL_MSG_CT_DELETE = (1 << 8) | 2;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_FILTER = 25;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_DST_PORT = 3;
const CTA_FILTER_ORIG_FLAGS = 1;
const CTA_FILTER_REPLY_FLAGS = 2;
const BY_SOURCE = 1 << 0;
const BY_DESTINATION = 1 << 1;
const BY_PROTOCOL = 1 << 3;
const BY_DESTINATION_PORT = 1 << 5;
const UDP = 17;

/** struct nfgenmsg: family, version, resource. */
const nfgenmsg = (family: number): Buffer => Buffer.from([family, 0, 0, 0]);

/** Connections to forget: those whose answers come from `source`, or whose first packet went to `destination` or `port`. */
type Filter =
  | { readonly source: string; readonly udp: boolean }
  | { readonly destination: string }
  | { readonly port: number; readonly family: number };

/** Makes the kernel forget stale connections in the socket's namespace. Returns the first refusal. */
export function forgetConnections(netfilter: NetlinkSocket, stale: StaleConnections): Refusal | undefined {
  const filters = kernelFilters() ? filtersOf(stale) : [];
  const refusals = filters.map((filter) => netfilter.request(IPCTNL_MSG_CT_DELETE, 0, forgetBody(filter)));
  return [...refusals, forgetConnections6(netfilter, stale)].find((refusal) => refusal !== undefined);
}

/** Not for addresses of IPv6: those are conntrack6.ts's. */
function filtersOf({ gone, left, opened }: StaleConnections): Filter[] {
  const doors = opened.flatMap((door): Filter[] =>
    typeof door === "number"
      ? [AF_INET, AF_INET6].map((family) => ({ port: door, family }))
      : [{ destination: door }],
  );
  const filters: Filter[] = [
    ...gone.map((source) => ({ source, udp: false })),
    ...left.map((source) => ({ source, udp: true })),
    ...doors,
  ];
  return filters.filter(
    (filter) => "port" in filter || !isIpv6("source" in filter ? filter.source : filter.destination),
  );
}

/** Before Linux 5.8 the filter is not read, and the request would forget everything. */
function kernelFilters(): boolean {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return major > 5 || (major === 5 && minor >= 8);
}

function forgetBody(filter: Filter): Buffer {
  const protocol = attribute(CTA_PROTO_NUM, u8(UDP));
  if ("source" in filter) {
    const address = nested(CTA_TUPLE_IP, attribute(CTA_IP_V4_SRC, ipv4Bytes(filter.source)));
    const parts = filter.udp ? [address, nested(CTA_TUPLE_PROTO, protocol)] : [address];
    return body(AF_INET, CTA_TUPLE_REPLY, parts, BY_SOURCE | (filter.udp ? BY_PROTOCOL : 0));
  }
  if ("destination" in filter) {
    const address = nested(CTA_TUPLE_IP, attribute(CTA_IP_V4_DST, ipv4Bytes(filter.destination)));
    const parts = [address, nested(CTA_TUPLE_PROTO, protocol)];
    return body(AF_INET, CTA_TUPLE_ORIG, parts, BY_DESTINATION | BY_PROTOCOL);
  }
  const port = nested(CTA_TUPLE_PROTO, protocol, attribute(CTA_PROTO_DST_PORT, be16(filter.port)));
  return body(filter.family, CTA_TUPLE_ORIG, [port], BY_PROTOCOL | BY_DESTINATION_PORT);
}

/** A tuple, and which parts of it count. */
function body(family: number, side: number, tuple: readonly Buffer[], flags: number): Buffer {
  const [original, reply] = side === CTA_TUPLE_ORIG ? [flags, 0] : [0, flags];
  return Buffer.concat([
    nfgenmsg(family),
    nested(side, ...tuple),
    nested(
      CTA_FILTER,
      attribute(CTA_FILTER_ORIG_FLAGS, u32(original)),
      attribute(CTA_FILTER_REPLY_FLAGS, u32(reply)),
    ),
  ]);
}
