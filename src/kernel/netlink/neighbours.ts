import type { FdbEntry, Neighbour } from "../../netstate/index.ts";
import { attribute, decodeAttributes, type NetlinkMessage } from "./codec.ts";
import { familyOf, ipBytes, ipv4Bytes, macBytes, readIp, readMac } from "./formats.ts";
import { AF_BRIDGE, AF_UNSPEC } from "./marks.ts";

/** linux/rtnetlink.h, neighbour.h */
export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NUD_PERMANENT = 0x80;
const NTF_SELF = 2;

export interface RawNeighbour {
  readonly index: number;
  readonly permanent: boolean;
  readonly family: number;
  readonly address: string | undefined;
  readonly mac: string | undefined;
}

/** struct ndmsg: family, pad, index, state, flags, type. */
function header(family: number, index: number, state: number, flags: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt8(family, 0);
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt16LE(state, 8);
  bytes.writeUInt8(flags, 10);
  return bytes;
}

/** Body of the requests that put and remove a neighbour. */
export function neighbourBody(index: number, { address, mac }: Neighbour): Buffer {
  return Buffer.concat([
    header(familyOf(address), index, NUD_PERMANENT, 0),
    attribute(NDA_DST, ipBytes(address)),
    attribute(NDA_LLADDR, macBytes(mac)),
  ]);
}

/** Body of the requests that put and remove a forwarding entry. */
export function fdbBody(index: number, { mac, destination }: FdbEntry): Buffer {
  return Buffer.concat([
    header(AF_BRIDGE, index, NUD_PERMANENT, NTF_SELF),
    attribute(NDA_LLADDR, macBytes(mac)),
    attribute(NDA_DST, ipv4Bytes(destination)),
  ]);
}

export const neighbourDump = (): Buffer => header(AF_UNSPEC, 0, 0, 0);
export const fdbDump = (): Buffer => header(AF_BRIDGE, 0, 0, 0);

export function readNeighbour({ body }: NetlinkMessage): RawNeighbour {
  const attributes = decodeAttributes(body.subarray(12));
  return {
    family: body.readUInt8(0),
    index: body.readInt32LE(4),
    permanent: (body.readUInt16LE(8) & NUD_PERMANENT) !== 0,
    address: readIp(attributes.get(NDA_DST)),
    mac: readMac(attributes.get(NDA_LLADDR)),
  };
}
