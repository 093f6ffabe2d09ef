import type { Link, VxlanLink } from "../../netstate/index.ts";
import {
  attribute,
  be16,
  decodeAttributes,
  type NetlinkMessage,
  nested,
  readBe16,
  readText,
  readU8,
  readU32,
  u8,
  u32,
  zeroEnded,
} from "./codec.ts";
import { ipv4Bytes, macBytes, readIpv4, readMac } from "./formats.ts";
import { DOOMED_GROUP, OUR_GROUP } from "./marks.ts";

/** linux/rtnetlink.h, if_link.h */
export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_GROUP = 27;
const IFLA_NET_NS_FD = 28;
const IFLA_EXT_MASK = 29;
const SKIP_STATS = 1 << 3;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_INFO_SLAVE_DATA = 5;
const IFLA_BRPORT_ISOLATED = 33;
const IFLA_VXLAN_ID = 1;
const IFLA_VXLAN_LOCAL = 4;
const IFLA_VXLAN_LEARNING = 7;
const IFLA_VXLAN_PORT = 15;
const VETH_INFO_PEER = 1;
const IFF_UP = 1;

/** A link as the kernel tells it: numbers instead of names for what it hangs together with. */
export interface RawLink {
  readonly index: number;
  readonly name: string;
  readonly kind: string | undefined;
  readonly up: boolean;
  readonly ours: boolean;
  readonly mac: string | undefined;
  readonly mtu: number | undefined;
  readonly master: number | undefined;
  readonly isolated: boolean;
  /** Of a veth: the index of its other end, in whatever namespace that is. */
  readonly peer: number | undefined;
  readonly vxlan: Pick<VxlanLink, "vni" | "local" | "port"> | undefined;
}

/** struct ifinfomsg: family, pad, type, index, flags, change. */
export function linkHeader(index = 0, flags = 0, change = 0): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(change, 12);
  return header;
}

/** All links, without their counters. */
export const linkDump = (): Buffer =>
  Buffer.concat([linkHeader(), attribute(IFLA_EXT_MASK, u32(SKIP_STATS))]);

/** One link, by name. */
export const linkNamed = (name: string): Buffer =>
  Buffer.concat([
    linkHeader(),
    attribute(IFLA_IFNAME, zeroEnded(name)),
    attribute(IFLA_EXT_MASK, u32(SKIP_STATS)),
  ]);

/** Body of the removal, at once, of all links that bear our mark. */
export const ourLinks = (): Buffer => Buffer.concat([linkHeader(), attribute(IFLA_GROUP, u32(OUR_GROUP))]);

/** Body of the change that dooms a link. */
export const doomedLink = (index: number): Buffer =>
  Buffer.concat([linkHeader(index), attribute(IFLA_GROUP, u32(DOOMED_GROUP))]);

/** Body of the removal, at once, of all doomed links. */
export const doomedLinks = (): Buffer =>
  Buffer.concat([linkHeader(), attribute(IFLA_GROUP, u32(DOOMED_GROUP))]);

export const linkUp = (index: number): Buffer => linkHeader(index, IFF_UP, IFF_UP);

/** Body of the request that makes a pair: `link` here, `peer` in the namespace behind the descriptor. Both stay down. */
export function newVeth(link: Link, peer: Link, peerNetns: number): Buffer {
  const other = [linkHeader(), ...commonAttributes(peer), attribute(IFLA_NET_NS_FD, u32(peerNetns))];
  return newLink(link, "veth", nested(VETH_INFO_PEER, ...other));
}

/** Body of the request, to be made in the host's namespace, that makes a tunnel end in the namespace behind the descriptor. */
export function newVxlan(link: VxlanLink, netns: number): Buffer {
  const data = [
    attribute(IFLA_VXLAN_ID, u32(link.vni)),
    attribute(IFLA_VXLAN_LOCAL, ipv4Bytes(link.local)),
    attribute(IFLA_VXLAN_LEARNING, u8(0)),
    attribute(IFLA_VXLAN_PORT, be16(link.port)),
  ];
  return Buffer.concat([newLink(link, "vxlan", ...data), attribute(IFLA_NET_NS_FD, u32(netns))]);
}

/** Without its MTU: one that is set afterwards stays, one that it was made with follows its ports (br_mtu_auto_adjust). */
export function newBridge({ mtu: _, ...link }: Link): Buffer {
  return newLink(link, "bridge");
}

function newLink(link: Link, kind: string, ...data: readonly Buffer[]): Buffer {
  const info = [attribute(IFLA_INFO_KIND, zeroEnded(kind)), nested(IFLA_INFO_DATA, ...data)];
  return Buffer.concat([linkHeader(), ...commonAttributes(link), nested(IFLA_LINKINFO, ...info)]);
}

function commonAttributes({ name, mac, mtu }: Link): Buffer[] {
  return [
    attribute(IFLA_IFNAME, zeroEnded(name)),
    attribute(IFLA_GROUP, u32(OUR_GROUP)),
    ...(mac === undefined ? [] : [attribute(IFLA_ADDRESS, macBytes(mac))]),
    ...(mtu === undefined ? [] : [attribute(IFLA_MTU, u32(mtu))]),
  ];
}

/**
 * Body of the request that sets a link up and changes the settings given; master is an index, 0 for none. To give a link
 * the MAC that it has would make the kernel forget its neighbours.
 */
export function changeLink(
  index: number,
  { mac, mtu, master }: { readonly mac?: string; readonly mtu?: number; readonly master?: number },
): Buffer {
  return Buffer.concat([
    linkUp(index),
    ...(mac === undefined ? [] : [attribute(IFLA_ADDRESS, macBytes(mac))]),
    ...(mtu === undefined ? [] : [attribute(IFLA_MTU, u32(mtu))]),
    ...(master === undefined ? [] : [attribute(IFLA_MASTER, u32(master))]),
  ]);
}

/** Body of the request that isolates a port of a bridge, or ends that. The kernel asks the bridge that it is a port of by then. */
export function isolatePort(index: number, isolated: boolean): Buffer {
  const info = [
    attribute(IFLA_INFO_SLAVE_KIND, zeroEnded("bridge")),
    nested(IFLA_INFO_SLAVE_DATA, attribute(IFLA_BRPORT_ISOLATED, u8(isolated ? 1 : 0))),
  ];
  return Buffer.concat([linkHeader(index), nested(IFLA_LINKINFO, ...info)]);
}

export function readLink({ body }: NetlinkMessage): RawLink {
  const attributes = decodeAttributes(body.subarray(16));
  const info = decodeAttributes(attributes.get(IFLA_LINKINFO) ?? Buffer.alloc(0));
  const kind = readText(info.get(IFLA_INFO_KIND));
  const port = decodeAttributes(info.get(IFLA_INFO_SLAVE_DATA) ?? Buffer.alloc(0));
  return {
    index: body.readInt32LE(4),
    name: readText(attributes.get(IFLA_IFNAME)) ?? "",
    kind,
    up: (body.readUInt32LE(8) & IFF_UP) !== 0,
    ours: readU32(attributes.get(IFLA_GROUP)) === OUR_GROUP,
    mac: readMac(attributes.get(IFLA_ADDRESS)),
    mtu: readU32(attributes.get(IFLA_MTU)),
    master: readU32(attributes.get(IFLA_MASTER)),
    isolated: readU8(port.get(IFLA_BRPORT_ISOLATED)) === 1,
    peer: kind === "veth" ? readU32(attributes.get(IFLA_LINK)) : undefined,
    vxlan: kind === "vxlan" ? readVxlan(info.get(IFLA_INFO_DATA)) : undefined,
  };
}

function readVxlan(data: Buffer | undefined): RawLink["vxlan"] {
  const attributes = decodeAttributes(data ?? Buffer.alloc(0));
  return {
    vni: readU32(attributes.get(IFLA_VXLAN_ID)) ?? 0,
    local: readIpv4(attributes.get(IFLA_VXLAN_LOCAL)) ?? "",
    port: readBe16(attributes.get(IFLA_VXLAN_PORT)) ?? 0,
  };
}
