/**
 * How things of ours are told from others' inside a namespace that we share with them: "S" as the origin of routes,
 * rules and addresses (numbers that nobody has taken in iproute2's rt_protos), "SH" as the group of links.
 */
export const OUR_PROTOCOL = 0x53;
export const OUR_GROUP = 0x5348;
/** The group of links on their way out. */
export const DOOMED_GROUP = 0x5349;

export const AF_INET = 2;
export const AF_BRIDGE = 7;
export const AF_INET6 = 10;
/** Of a dump: all families. */
export const AF_UNSPEC = 0;

/** linux/netlink.h */
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
