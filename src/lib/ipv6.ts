import { Fault } from "./errors.ts";
import { formatIpv4, parseIpv4 } from "./ipv4.ts";

/** An IPv6 address as an unsigned 128-bit number. */
export type Ipv6 = bigint;

/** A block of addresses: the first one and the prefix length. */
export interface Cidr6 {
  readonly base: Ipv6;
  readonly bits: number;
}

const GROUPS = 8;
const GROUP_REGEXP = /^[0-9a-f]{1,4}$/i;
/** ::ffff:0:0/96, which stands for IPv4 addresses (RFC 4291, 2.5.5.2). */
const MAPPED = 0xffffn;

/** Whether a text that is an address, or a block, is one of IPv6. */
export function isIpv6(text: string): boolean {
  return text.includes(":");
}

/** Parses what RFC 4291 (2.2) allows, an IPv4 tail too; undefined for anything else: no zones, no brackets. */
export function parseIpv6(text: string): Ipv6 | undefined {
  const [head = "", tail, ...rest] = text.split("::");
  if (rest.length > 0) return undefined;
  // An IPv4 tail is the end of the whole text.
  if (tail !== undefined && head.includes(".")) return undefined;
  const before = groupsOf(head);
  const after = groupsOf(tail ?? "");
  if (before === undefined || after === undefined) return undefined;
  const missing = GROUPS - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...before, ...Array<number>(missing).fill(0), ...after];
  return groups.reduce((value, group) => value * 0x10000n + BigInt(group), 0n);
}

/** "1:2:10.0.0.1" as numbers of 16 bits; none for "". */
function groupsOf(text: string): number[] | undefined {
  if (text === "") return [];
  const words = text.split(":");
  const last = words.at(-1) ?? "";
  const quad = last.includes(".") ? parseIpv4(last) : undefined;
  if (last.includes(".") && quad === undefined) return undefined;
  const plain = quad === undefined ? words : words.slice(0, -1);
  if (!plain.every((word) => GROUP_REGEXP.test(word))) return undefined;
  const tail = quad === undefined ? [] : [quad >>> 16, quad & 0xffff];
  return [...plain.map((word) => Number.parseInt(word, 16)), ...tail];
}

/** The one text of an address (RFC 5952): lowercase, no leading zeros, "::" for the first longest run of two or more. */
export function formatIpv6(address: Ipv6): string {
  if (address >> 32n === MAPPED) return `::ffff:${formatIpv4(Number(address & 0xffffffffn))}`;
  const groups = Array.from({ length: GROUPS }, (_, i) =>
    Number((address >> BigInt(112 - 16 * i)) & 0xffffn),
  );
  const { start, length } = longestZeros(groups);
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
    start += length;
  }
  return best;
}

/** Parses "fd00:1::/64"; undefined when malformed. The base is masked: fd00:1::7/64 is fd00:1::/64. */
export function parseCidr6(text: string): Cidr6 | undefined {
  const [head = "", tail = "", ...rest] = text.split("/");
  const address = parseIpv6(head);
  const bits = /^(0|[1-9]\d{0,2})$/.test(tail) ? Number(tail) : 129;
  if (address === undefined || bits > 128 || rest.length > 0) return undefined;
  return { base: maskOf(address, bits), bits };
}

/** Parses or throws an "invalid" Fault that names the text. */
export function requireCidr6(text: string): Cidr6 {
  const cidr = parseCidr6(text);
  if (cidr === undefined) throw new Fault("invalid", `invalid CIDR address: ${text}`);
  return cidr;
}

export function formatCidr6(cidr: Cidr6): string {
  return `${formatIpv6(cidr.base)}/${cidr.bits}`;
}

/** Number of addresses in the block. */
export function sizeOf6(cidr: Cidr6): bigint {
  return 1n << BigInt(128 - cidr.bits);
}

export function contains6(cidr: Cidr6, address: Ipv6): boolean {
  return maskOf(address, cidr.bits) === cidr.base;
}

export function overlaps6(a: Cidr6, b: Cidr6): boolean {
  return a.bits <= b.bits ? contains6(a, b.base) : contains6(b, a.base);
}

function maskOf(address: Ipv6, bits: number): Ipv6 {
  const host = BigInt(128 - bits);
  return (address >> host) << host;
}
