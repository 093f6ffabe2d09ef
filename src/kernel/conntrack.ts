import type { StaleConnections } from "../netstate/index.ts";
import {
  type Attributes,
  attribute,
  decodeAttributes,
  type NetlinkMessage,
  readBe16,
  readBe32,
  readU8,
} from "./netlink/codec.ts";
import { readIp } from "./netlink/formats.ts";
import type { NetlinkSocket, Refusal } from "./netlink/socket.ts";

/** linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h */
const IPCTNL_MSG_CT_GET = (1 << 8) | 1;
const IPCTNL_MSG_CT_DELETE = (1 << 8) | 2;
const IPCTNL_MSG_CT_GET_STATS = (1 << 8) | 5;
const CTA_STATS_GLOBAL_ENTRIES = 1;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_STATUS = 3;
/** linux/netfilter/nf_conntrack_common.h: there was an answer, and for TCP a handshake, for UDP two seconds of it. */
const IPS_ASSURED = 4;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_IP_V6_SRC = 3;
const CTA_IP_V6_DST = 4;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_DST_PORT = 3;
const NESTED = 0x8000;
const AF_UNSPEC = 0;
const UDP = 17;
/** ENOENT: it has ended by itself. */
const GONE = 2;
/** EBUSY */
const BUSY = 16;

/** struct nfgenmsg: family, version, resource. */
const nfgenmsg = (family: number): Buffer => Buffer.from([family, 0, 0, 0]);
const NFGENMSG_BYTES = 4;

interface Connection {
  /** Who began it. */
  readonly caller: string;
  /** Where its first packet went. */
  readonly destination: string;
  readonly port: number;
  /** Where its answers come from. */
  readonly source: string;
  readonly udp: boolean;
  readonly assured: boolean;
  /** Nothing is translated: a port of somebody else's, behind an address of his, is no port of ours. */
  readonly untouched: boolean;
  readonly family: number;
  /**
   * What the kernel is to find it by: the way of its answers. By the time it is forgotten, a caller may have used the port anew,
   * and then the way there leads to the new connection. (So may the kernel's id: it is made of the object's address.)
   */
  readonly back: Buffer;
}

/**
 * Makes the kernel forget stale connections in the socket's namespace, one by one. (Its own filter for this does not work for
 * IPv4 on Linux 6.1, nor for IPv6 on 6.18: seen.) Returns the first refusal; one that has ended meanwhile is none.
 *
 * A kernel without the stable updates of June 2023 refuses for connections that are in a flow table: then `empty` is to empty those, and
 * they are tried once more.
 */
export function forgetConnections(
  netfilter: NetlinkSocket,
  stale: StaleConnections,
  empty: () => void,
): Refusal | undefined {
  if (Object.values(stale).every((list) => list.length === 0)) return undefined;
  if (countConnections(netfilter) === 0) return undefined;
  const refusals = forgetOnce(netfilter, stale);
  if (!refusals.some(({ errno }) => errno === BUSY)) return refusals[0];
  empty();
  return forgetOnce(netfilter, stale)[0];
}

/** Of the socket's namespace, those that only begin included. To list them takes milliseconds: one table has those of all namespaces. */
function countConnections(netfilter: NetlinkSocket): number | undefined {
  const answer = netfilter.find(IPCTNL_MSG_CT_GET_STATS, nfgenmsg(AF_UNSPEC));
  return (
    answer && readBe32(decodeAttributes(answer.body.subarray(NFGENMSG_BYTES)).get(CTA_STATS_GLOBAL_ENTRIES))
  );
}

function forgetOnce(netfilter: NetlinkSocket, stale: StaleConnections): Refusal[] {
  const [gone, left, opened] = [new Set(stale.gone), new Set(stale.left), new Set(stale.opened)];
  const begun = new Set(stale.begun);
  const isAt = (doors: ReadonlySet<string | number>, { destination, port }: Connection) =>
    doors.size > 0 && (doors.has(port) || doors.has(`${destination}:${port}`));
  const isStale = (one: Connection) =>
    gone.has(one.source) ||
    (one.udp && (left.has(one.source) || opened.has(one.destination) || isAt(opened, one))) ||
    (!one.assured &&
      ([one.caller, one.source, one.destination].some((end) => begun.has(end)) ||
        (one.untouched && isAt(begun, one))));
  return netfilter
    .dump(IPCTNL_MSG_CT_GET, nfgenmsg(AF_UNSPEC))
    .map(readConnection)
    .filter(isStale)
    .flatMap(({ family, back }) => netfilter.request(IPCTNL_MSG_CT_DELETE, 0, nfgenmsg(family), back) ?? [])
    .filter(({ errno }) => errno !== GONE);
}

function readConnection({ body }: NetlinkMessage): Connection {
  const attributes = decodeAttributes(body.subarray(NFGENMSG_BYTES));
  const reply = attributes.get(CTA_TUPLE_REPLY) ?? Buffer.alloc(0);
  const there = tupleOf(attributes.get(CTA_TUPLE_ORIG));
  const back = tupleOf(reply);
  const status = attributes.get(CTA_STATUS)?.readUInt32BE() ?? 0;
  return {
    caller: there.from,
    destination: there.to,
    port: readBe16(there.protocol.get(CTA_PROTO_DST_PORT)) ?? 0,
    source: back.from,
    untouched: there.from === back.to && there.to === back.from,
    udp: readU8(there.protocol.get(CTA_PROTO_NUM)) === UDP,
    assured: (status & IPS_ASSURED) !== 0,
    family: body.readUInt8(0),
    back: attribute(CTA_TUPLE_REPLY | NESTED, reply),
  };
}

/** Addresses and protocol of one direction. */
function tupleOf(tuple: Buffer = Buffer.alloc(0)): { from: string; to: string; protocol: Attributes } {
  const parts = decodeAttributes(tuple);
  const part = (type: number) => decodeAttributes(parts.get(type) ?? Buffer.alloc(0));
  const ip = part(CTA_TUPLE_IP);
  return {
    from: readIp(ip.get(CTA_IP_V4_SRC) ?? ip.get(CTA_IP_V6_SRC)) ?? "",
    to: readIp(ip.get(CTA_IP_V4_DST) ?? ip.get(CTA_IP_V6_DST)) ?? "",
    protocol: part(CTA_TUPLE_PROTO),
  };
}
