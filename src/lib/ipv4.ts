import { Fault } from "./errors.ts";

/** An IPv4 address as an unsigned 32-bit number. */
export type Ipv4 = number;

/** A block of addresses: the first one and the prefix length. */
export interface Cidr {
  readonly base: Ipv4;
  readonly bits: number;
}

const DOT = ".".charCodeAt(0);
const ZERO = "0".charCodeAt(0);

/** Parses dotted decimal; undefined when it is anything else: no short forms, no leading zeros (some read octal). */
export function parseIpv4(text: string): Ipv4 | undefined {
  // A balancer's change may hold some thousands of them: so nothing is made on the way.
  let value = 0;
  let parts = 0;
  let part = 0;
  let digits = 0;
  for (let i = 0; i <= text.length; i++) {
    if (i === text.length || text.charCodeAt(i) === DOT) {
      if (digits === 0) return undefined;
      value = value * 256 + part;
      parts++;
      part = 0;
      digits = 0;
      continue;
    }
    const digit = text.charCodeAt(i) - ZERO;
    const isOctal = digits > 0 && part === 0;
    part = part * 10 + digit;
    digits++;
    if (digit < 0 || digit > 9 || isOctal || part > 255) return undefined;
  }
  return parts === 4 ? value : undefined;
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
