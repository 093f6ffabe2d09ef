import { isIpv6 } from "../lib/index.ts";
import type { StaleConnections } from "../netstate/index.ts";
import { attribute, decodeAttributes, type NetlinkMessage, readU8 } from "./netlink/codec.ts";
import { readIp } from "./netlink/formats.ts";
import { AF_INET6 } from "./netlink/marks.ts";
import type { NetlinkSocket, Refusal } from "./netlink/socket.ts";

/** linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h */
const IPCTNL_MSG_CT_GET = (1 << 8) | 1;
const IPCTNL_MSG_CT_DELETE = (1 << 8) | 2;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V6_SRC = 3;
const CTA_IP_V6_DST = 4;
const CTA_PROTO_NUM = 1;
const NESTED = 0x8000;
const UDP = 17;
/** ENOENT: it has ended by itself. */
const GONE = 2;

/** struct nfgenmsg: family, version, resource. */
const NFGENMSG = Buffer.from([AF_INET6, 0, 0, 0]);

interface Connection {
  /** Where its first packet went, and where its answers come from. */
  readonly destination: string | undefined;
  readonly source: string | undefined;
  readonly udp: boolean;
  /** What the kernel knows it by. */
  readonly tuple: Buffer;
}

/**
 * Makes the kernel forget stale connections over IPv6, one by one: its filter by address, which does that for IPv4, did not find
 * IPv6 addresses when tried (Linux 6.18).
 */
export function forgetConnections6(netfilter: NetlinkSocket, stale: StaleConnections): Refusal | undefined {
  const gone = new Set(stale.gone.filter(isIpv6));
  const left = new Set(stale.left.filter(isIpv6));
  const opened = new Set(stale.opened.filter((door) => typeof door === "string" && isIpv6(door)));
  if (gone.size + left.size + opened.size === 0) return undefined;
  const isStale = ({ source = "", destination = "", udp }: Connection) =>
    gone.has(source) || (udp && (left.has(source) || opened.has(destination)));
  const refusals = netfilter
    .dump(IPCTNL_MSG_CT_GET, NFGENMSG)
    .map(readConnection)
    .filter(isStale)
    .map(({ tuple }) => netfilter.request(IPCTNL_MSG_CT_DELETE, 0, NFGENMSG, tuple));
  return refusals.find((refusal) => refusal !== undefined && refusal.errno !== GONE);
}

function readConnection({ body }: NetlinkMessage): Connection {
  const attributes = decodeAttributes(body.subarray(NFGENMSG.length));
  const original = attributes.get(CTA_TUPLE_ORIG) ?? Buffer.alloc(0);
  const [there, back] = [original, attributes.get(CTA_TUPLE_REPLY) ?? Buffer.alloc(0)].map(decodeAttributes);
  const protocol = decodeAttributes(there?.get(CTA_TUPLE_PROTO) ?? Buffer.alloc(0)).get(CTA_PROTO_NUM);
  const address = (tuple: typeof there, type: number) =>
    readIp(decodeAttributes(tuple?.get(CTA_TUPLE_IP) ?? Buffer.alloc(0)).get(type));
  return {
    destination: address(there, CTA_IP_V6_DST),
    source: address(back, CTA_IP_V6_SRC),
    udp: readU8(protocol) === UDP,
    tuple: attribute(CTA_TUPLE_ORIG | NESTED, original),
  };
}
