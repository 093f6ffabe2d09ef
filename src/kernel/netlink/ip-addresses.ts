import type { Address } from "../../netstate/index.ts";
import { attribute, decodeAttributes, type NetlinkMessage, readU8, u8 } from "./codec.ts";
import { ipv4Bytes, readIpv4, splitPrefix } from "./formats.ts";
import { AF_INET, OUR_PROTOCOL } from "./marks.ts";

/** linux/rtnetlink.h, if_addr.h */
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_PROTO = 11;

export interface RawAddress {
  readonly index: number;
  /** "10.0.1.5/24" */
  readonly address: string;
  readonly ours: boolean;
}

/** struct ifaddrmsg: family, prefix length, flags, scope, index. Body of the requests that add and remove an address. */
export function addressBody(index: number, { address: text }: Address): Buffer {
  const { address, bits } = splitPrefix(text);
  const header = Buffer.from([AF_INET, bits, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32LE(index, 4);
  return Buffer.concat([
    header,
    attribute(IFA_LOCAL, ipv4Bytes(address)),
    attribute(IFA_ADDRESS, ipv4Bytes(address)),
    attribute(IFA_PROTO, u8(OUR_PROTOCOL)),
  ]);
}

export const addressDump = (): Buffer => Buffer.from([AF_INET, 0, 0, 0, 0, 0, 0, 0]);

export function readAddress({ body }: NetlinkMessage): RawAddress {
  const attributes = decodeAttributes(body.subarray(8));
  const address = readIpv4(attributes.get(IFA_LOCAL)) ?? readIpv4(attributes.get(IFA_ADDRESS)) ?? "";
  return {
    index: body.readUInt32LE(4),
    address: `${address}/${body.readUInt8(1)}`,
    ours: readU8(attributes.get(IFA_PROTO)) === OUR_PROTOCOL,
  };
}
