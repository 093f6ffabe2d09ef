import { decodeAttributes, type NetlinkMessage, readU32 } from "./codec.ts";
import { AF_INET6 } from "./marks.ts";

/** linux/rtnetlink.h; linux/netconf.h: struct netconfmsg is the family, padded. */
export const RTM_NEWNETCONF = 80;
const HEADER_BYTES = 4;
const NETCONFA_IFINDEX = 1;
const ALL_LINKS = 0xffff_ffff;
const NEW_LINKS = 0xffff_fffe;

/** The settings that the kernel tells of, by the attribute's number: the last word of the sysctl, per family. */
const SETTINGS: ReadonlyMap<number, readonly [ipv4: string, ipv6: string]> = new Map([
  [2, ["forwarding", "forwarding"]],
  [3, ["rp_filter", ""]],
  [5, ["proxy_arp", "proxy_ndp"]],
]);

export interface Setting {
  /** Index of the link; "all" and "default" are no links, but have the same settings. */
  readonly of: number | "all" | "default";
  readonly family: "ipv4" | "ipv6";
  /** As in "net.ipv4.conf.eth0.rp_filter". */
  readonly word: string;
  readonly value: string;
}

/** The one setting that changed; undefined for a note that tells them all, as of a new link. */
export function readSetting({ body }: NetlinkMessage): Setting | undefined {
  const attributes = decodeAttributes(body.subarray(HEADER_BYTES));
  const index = readU32(attributes.get(NETCONFA_IFINDEX));
  const [changed, ...others] = [...attributes].filter(([type]) => type !== NETCONFA_IFINDEX);
  if (index === undefined || changed === undefined || others.length > 0) return undefined;
  const family = body.readUInt8(0) === AF_INET6 ? "ipv6" : "ipv4";
  const word = SETTINGS.get(changed[0])?.[family === "ipv6" ? 1 : 0] ?? "";
  const value = readU32(changed[1]);
  if (word === "" || value === undefined) return undefined;
  const of = index === ALL_LINKS ? "all" : index === NEW_LINKS ? "default" : index;
  return { of, family, word, value: String(value) };
}
