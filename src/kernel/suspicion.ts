import type { Namespace } from "../netstate/index.ts";
import type { NamespaceHandle } from "./namespace-handle.ts";
import type { NetlinkMessage } from "./netlink/codec.ts";
import { RTM_DELADDR, RTM_NEWADDR, readAddress } from "./netlink/ip-addresses.ts";
import { type RawLink, RTM_DELLINK, RTM_NEWLINK, readLink } from "./netlink/links.ts";
import { RTM_DELNEIGH, RTM_NEWNEIGH, readNeighbour } from "./netlink/neighbours.ts";
import { RTM_NEWNETCONF, readSetting } from "./netlink/netconf.ts";
import { RTM_DELROUTE, RTM_DELRULE, RTM_NEWROUTE, RTM_NEWRULE, readRoute } from "./netlink/routes.ts";

/** What one note of the kernel is judged by. */
export interface Scene {
  readonly handle: NamespaceHandle;
  /** What we made there, if that is known. */
  readonly applied: Namespace | undefined;
  readonly tag: string;
  /** Netlink addresses of our own sockets: the kernel names who asked for a change. */
  readonly ports: ReadonlySet<number>;
}

const JUDGES: ReadonlyMap<number, (message: NetlinkMessage, scene: Scene) => boolean> = new Map([
  [RTM_NEWLINK, judgeLink],
  [RTM_DELLINK, judgeLink],
  [RTM_NEWADDR, judgeAddress],
  [RTM_DELADDR, judgeAddress],
  [RTM_NEWROUTE, judgeRoute],
  [RTM_DELROUTE, judgeRoute],
  [RTM_NEWRULE, judgeRule],
  [RTM_DELRULE, judgeRule],
  [RTM_NEWNEIGH, judgeNeighbour],
  [RTM_DELNEIGH, judgeNeighbour],
  [RTM_NEWNETCONF, judgeSetting],
]);

/** Whether an rtnetlink note may be of somebody else's change of what is ours. Wrong only on the careful side. */
export function isSuspicious(message: NetlinkMessage, scene: Scene): boolean {
  if (message.port !== 0 && scene.ports.has(message.port)) return false;
  return JUDGES.get(message.type)?.(message, scene) ?? false;
}

/** That a link of ours is up, with a carrier or without, comes from the kernel itself and often. */
function judgeLink(message: NetlinkMessage, scene: Scene): boolean {
  const link = readLink(message);
  const usual = message.type === RTM_NEWLINK && message.port === 0 && link.up && isAsMade(link, scene);
  return !usual && mayBeOurs(link.name, scene);
}

function isAsMade({ name, mac, mtu }: RawLink, { applied }: Scene): boolean {
  const made = applied?.links.find((link) => link.name === name);
  if (made === undefined) return name === "lo";
  return (made.mac === undefined || made.mac === mac) && (made.mtu === undefined || made.mtu === mtu);
}

function judgeAddress(message: NetlinkMessage, scene: Scene): boolean {
  const { index, kernels } = readAddress(message);
  if (kernels) return false;
  const name = scene.handle.nameOf(index);
  return name !== undefined && mayBeOurs(name, scene);
}

/** The kernel's own routes come and go with addresses. */
function judgeRoute(message: NetlinkMessage, { applied }: Scene): boolean {
  const { ours, route } = readRoute(message);
  if (ours || applied === undefined) return true;
  return applied.routes.some((r) => r.destination === route.destination && r.table === route.table);
}

function judgeRule(_: NetlinkMessage, { handle }: Scene): boolean {
  return !handle.shared;
}

/** What was learned by asking (ARP) is not ours and changes all the time. */
function judgeNeighbour(message: NetlinkMessage, scene: Scene): boolean {
  const { address, mac, index, permanent } = readNeighbour(message);
  const known =
    scene.applied === undefined ||
    scene.applied.neighbours.some((neighbour) => neighbour.address === address) ||
    scene.applied.fdb.some((entry) => entry.mac === mac);
  if (!known && !permanent) return false;
  const name = scene.handle.nameOf(index);
  return name !== undefined && mayBeOurs(name, scene);
}

/** A sysctl: no note says who wrote it, but ours are of the value that we want. */
function judgeSetting(message: NetlinkMessage, { handle, applied }: Scene): boolean {
  const setting = readSetting(message);
  if (setting === undefined || applied === undefined) return false;
  const { of, family, word, value } = setting;
  const link = typeof of === "number" ? handle.nameOf(of) : of;
  const keys = [`net.${family}.conf.${link}.${word}`];
  if (family === "ipv4" && link === "all" && word === "forwarding") keys.push("net.ipv4.ip_forward");
  return keys.some((key) => (applied.sysctls[key] ?? value) !== value);
}

function mayBeOurs(link: string, { handle, tag }: Scene): boolean {
  return !handle.shared || link.startsWith(`${tag}-`);
}
