import type { Address } from "../../netstate/index.ts";
import { attribute, decodeAttributes, type NetlinkMessage, readU8, u8, u32 } from "./codec.ts";
import { familyOf, ipBytes, readIp, splitPrefix } from "./formats.ts";
import { AF_INET6, AF_UNSPEC, OUR_PROTOCOL } from "./marks.ts";

/** linux/rtnetlink.h, if_addr.h */
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
const IFA_PROTO = 11;
/** An IPv6 address of ours is in use at once (nobody else can have it), and brings no route but those that are listed. */
const IFA_F_NODAD = 0x02;
const IFA_F_NOPREFIXROUTE = 0x200;
const LINK_LOCAL_REGEXP = /^fe[89ab][0-9a-f]:/;

export interface RawAddress {
  readonly index: number;
  /** "10.0.1.5/24" */
  readonly address: string;
  readonly ours: boolean;
  /** The kernel gives every link with IPv6 a link-local address; we make none. */
  readonly kernels: boolean;
}

/** struct ifaddrmsg: family, prefix length, flags, scope, index. Body of the requests that add and remove an address. */
export function addressBody(index: number, { address: text }: Address): Buffer {
  const { address, bits } = splitPrefix(text);
  const family = familyOf(address);
  const header = Buffer.from([family, bits, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32LE(index, 4);
  return Buffer.concat([
    header,
    attribute(IFA_LOCAL, ipBytes(address)),
    attribute(IFA_ADDRESS, ipBytes(address)),
    ...(family === AF_INET6 ? [attribute(IFA_FLAGS, u32(IFA_F_NODAD | IFA_F_NOPREFIXROUTE))] : []),
    attribute(IFA_PROTO, u8(OUR_PROTOCOL)),
  ]);
}

export const addressDump = (): Buffer => Buffer.from([AF_UNSPEC, 0, 0, 0, 0, 0, 0, 0]);

export function readAddress({ body }: NetlinkMessage): RawAddress {
  const attributes = decodeAttributes(body.subarray(8));
  const address = readIp(attributes.get(IFA_LOCAL)) ?? readIp(attributes.get(IFA_ADDRESS)) ?? "";
  return {
    index: body.readUInt32LE(4),
    address: `${address}/${body.readUInt8(1)}`,
    ours: readU8(attributes.get(IFA_PROTO)) === OUR_PROTOCOL,
    kernels: LINK_LOCAL_REGEXP.test(address),
  };
}
