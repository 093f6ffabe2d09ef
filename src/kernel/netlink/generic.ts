import { attribute, decodeAttributes, readU16, zeroEnded } from "./codec.ts";
import type { NetlinkSocket } from "./socket.ts";

/** linux/genetlink.h: the family that knows the others' numbers. */
const GENL_ID_CTRL = 0x10;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_VERSION = 1;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
/** struct genlmsghdr */
const HEADER_BYTES = 4;

/** The message type of a generic netlink family; undefined when this kernel has it not (or not loaded). */
export function findFamily(socket: NetlinkSocket, name: string): number | undefined {
  const header = Buffer.from([CTRL_CMD_GETFAMILY, CTRL_VERSION, 0, 0]);
  const message = socket.find(GENL_ID_CTRL, header, attribute(CTRL_ATTR_FAMILY_NAME, zeroEnded(name)));
  if (message === undefined) return undefined;
  return readU16(decodeAttributes(message.body.subarray(HEADER_BYTES)).get(CTRL_ATTR_FAMILY_ID));
}
