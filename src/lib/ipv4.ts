import { Fault } from "./errors.ts";

/** An IPv4 address as an unsigned 32-bit number. */
export type Ipv4 = number;

/** A block of addresses: the first one and the prefix length. */
export interface Cidr {
  readonly base: Ipv4;
  readonly bits: number;
}

const QUAD_REGEXP = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;
const LEADING_ZERO_REGEXP = /(^|[./])0\d/;

/** Parses dotted decimal; undefined when it is anything else: no short forms, no leading zeros (some read octal). */
export function parseIpv4(text: string): Ipv4 | undefined {
  if (LEADING_ZERO_REGEXP.test(text)) return undefined;
  const parts = QUAD_REGEXP.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((p) => p > 255)) return undefined;
  return parts.reduce((value, part) => value * 256 + part, 0);
}

/** Dotted decimal of an address. */
export function formatIpv4(address: Ipv4): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join(".");
}

/** Parses "10.0.0.0/8"; undefined when malformed. The base is masked: 10.1.2.3/8 is 10.0.0.0/8. */
export function parseCidr(text: string): Cidr | undefined {
  const [head = "", tail = "", ...rest] = text.split("/");
  const address = parseIpv4(head);
  const bits = /^(0|[1-9]\d?)$/.test(tail) ? Number(tail) : 33;
  if (address === undefined || bits > 32 || rest.length > 0) return undefined;
  return { base: maskOf(address, bits), bits };
}

/** Parses or throws an "invalid" Fault that names the text. */
export function requireCidr(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new Fault("invalid", `invalid CIDR address: ${text}`);
  return cidr;
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIpv4(cidr.base)}/${cidr.bits}`;
}

/** Number of addresses in the block. */
export function sizeOf(cidr: Cidr): number {
  return 2 ** (32 - cidr.bits);
}

export function contains(cidr: Cidr, address: Ipv4): boolean {
  return maskOf(address, cidr.bits) === cidr.base;
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.bits <= b.bits ? contains(a, b.base) : contains(b, a.base);
}

function maskOf(address: Ipv4, bits: number): Ipv4 {
  return bits === 0 ? 0 : (address & (~0 << (32 - bits))) >>> 0;
}
