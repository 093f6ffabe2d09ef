import type { IpvsDestination, IpvsService, IpvsTimeouts } from "../../netstate/index.ts";
import {
  type Attributes,
  attribute,
  be16,
  decodeAttributes,
  type NetlinkMessage,
  nested,
  readBe16,
  readText,
  readU16,
  readU32,
  u16,
  u32,
  zeroEnded,
} from "./codec.ts";
import { familyOf, ipBytes, readIp } from "./formats.ts";
import { AF_INET, AF_INET6 } from "./marks.ts";

/** linux/ip_vs.h: commands of the generic netlink family "IPVS", and their attributes. */
export const IPVS_FAMILY = "IPVS";
export const IPVS_CMD_NEW_SERVICE = 1;
export const IPVS_CMD_SET_SERVICE = 2;
export const IPVS_CMD_DEL_SERVICE = 3;
export const IPVS_CMD_GET_SERVICE = 4;
export const IPVS_CMD_NEW_DEST = 5;
export const IPVS_CMD_SET_DEST = 6;
export const IPVS_CMD_DEL_DEST = 7;
export const IPVS_CMD_GET_DEST = 8;
export const IPVS_CMD_SET_CONFIG = 12;
export const IPVS_CMD_GET_CONFIG = 13;
const VERSION = 1;

const ATTR_SERVICE = 1;
const ATTR_DEST = 2;
const ATTR_TIMEOUT_TCP = 4;
const ATTR_TIMEOUT_TCP_FIN = 5;
const ATTR_TIMEOUT_UDP = 6;

const SVC_AF = 1;
const SVC_FWMARK = 5;
const SVC_SCHED_NAME = 6;
const SVC_FLAGS = 7;
const SVC_TIMEOUT = 8;
const SVC_NETMASK = 9;

const DEST_ADDR = 1;
const DEST_PORT = 2;
const DEST_FWD_METHOD = 3;
const DEST_WEIGHT = 4;
const DEST_U_THRESH = 5;
const DEST_L_THRESH = 6;
const DEST_ADDR_FAMILY = 11;

const FORWARD_BY_NAT = 0;
/** The persistence mask that means "none": whole addresses, in the kernel's form for each family. */
const WHOLE: ReadonlyMap<number, number> = new Map([
  [AF_INET, 0xffffffff],
  [AF_INET6, 128],
]);
const ADDRESS_BYTES = 16;
const HEADER_BYTES = 4;

/** What names a service: its mark, and which of the two protocols' packets. */
export interface ServiceName {
  readonly family: number;
  readonly mark: number;
}

/** struct genlmsghdr: command, version, reserved. */
export function genericBody(command: number, version: number, ...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([command, version, 0, 0]), ...parts]);
}

export function genericAttributes({ body }: NetlinkMessage): Attributes {
  return decodeAttributes(body.subarray(HEADER_BYTES));
}

/** A request about a service by its name. */
export function serviceBody(command: number, name: ServiceName): Buffer {
  return genericBody(command, VERSION, nested(ATTR_SERVICE, ...nameParts(name)));
}

/** A request with all that a service is, but its destinations. */
export function wholeServiceBody(command: number, name: ServiceName, { scheduler }: IpvsService): Buffer {
  const parts = [
    ...nameParts(name),
    attribute(SVC_SCHED_NAME, zeroEnded(scheduler)),
    attribute(SVC_FLAGS, Buffer.concat([u32(0), u32(0xffffffff)])),
    attribute(SVC_TIMEOUT, u32(0)),
    attribute(SVC_NETMASK, u32(WHOLE.get(name.family) ?? 0)),
  ];
  return genericBody(command, VERSION, nested(ATTR_SERVICE, ...parts));
}

/** Asks for a service's destinations, or all services when no name is given. */
export function dumpBody(command: number, name?: ServiceName): Buffer {
  return name === undefined ? genericBody(command, VERSION) : serviceBody(command, name);
}

export function destinationBody(
  command: number,
  name: ServiceName,
  destination: IpvsDestination,
  weight: number,
): Buffer {
  const parts = [
    attribute(DEST_ADDR_FAMILY, u16(familyOf(destination.address))),
    attribute(DEST_ADDR, padded(ipBytes(destination.address))),
    attribute(DEST_PORT, be16(destination.port)),
    attribute(DEST_FWD_METHOD, u32(FORWARD_BY_NAT)),
    attribute(DEST_WEIGHT, u32(weight)),
    attribute(DEST_U_THRESH, u32(0)),
    attribute(DEST_L_THRESH, u32(0)),
  ];
  return genericBody(command, VERSION, nested(ATTR_SERVICE, ...nameParts(name)), nested(ATTR_DEST, ...parts));
}

export function timeoutsBody({ tcp, tcpFin, udp }: IpvsTimeouts): Buffer {
  const parts = [
    attribute(ATTR_TIMEOUT_TCP, u32(tcp)),
    attribute(ATTR_TIMEOUT_TCP_FIN, u32(tcpFin)),
    attribute(ATTR_TIMEOUT_UDP, u32(udp)),
  ];
  return genericBody(IPVS_CMD_SET_CONFIG, VERSION, ...parts);
}

/** A service in the kernel; undefined for one by address, which is never ours. */
export function readService(
  message: NetlinkMessage,
): { readonly name: ServiceName; readonly scheduler: string } | undefined {
  const parts = decodeAttributes(genericAttributes(message).get(ATTR_SERVICE) ?? Buffer.alloc(0));
  const mark = readU32(parts.get(SVC_FWMARK));
  if (mark === undefined) return undefined;
  const family = readU16(parts.get(SVC_AF)) ?? AF_INET;
  return { name: { family, mark }, scheduler: readText(parts.get(SVC_SCHED_NAME)) ?? "" };
}

export function readDestination(
  message: NetlinkMessage,
  family: number,
): { readonly destination: IpvsDestination; readonly weight: number; readonly byNat: boolean } {
  const parts = decodeAttributes(genericAttributes(message).get(ATTR_DEST) ?? Buffer.alloc(0));
  const bytes = parts.get(DEST_ADDR)?.subarray(0, family === AF_INET6 ? ADDRESS_BYTES : 4);
  const destination = { address: readIp(bytes) ?? "", port: readBe16(parts.get(DEST_PORT)) ?? 0 };
  const byNat = readU32(parts.get(DEST_FWD_METHOD)) === FORWARD_BY_NAT;
  return { destination, weight: readU32(parts.get(DEST_WEIGHT)) ?? 0, byNat };
}

export function readTimeouts(message: NetlinkMessage): IpvsTimeouts {
  const parts = genericAttributes(message);
  const seconds = (type: number) => readU32(parts.get(type)) ?? 0;
  return {
    tcp: seconds(ATTR_TIMEOUT_TCP),
    tcpFin: seconds(ATTR_TIMEOUT_TCP_FIN),
    udp: seconds(ATTR_TIMEOUT_UDP),
  };
}

function nameParts({ family, mark }: ServiceName): Buffer[] {
  return [attribute(SVC_AF, u16(family)), attribute(SVC_FWMARK, u32(mark))];
}

function padded(address: Buffer): Buffer {
  return Buffer.concat([address, Buffer.alloc(ADDRESS_BYTES - address.length)]);
}
