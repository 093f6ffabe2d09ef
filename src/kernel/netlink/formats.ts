import { Fault, formatIpv4, formatIpv6, isIpv6, parseIpv4, parseIpv6 } from "../../lib/index.ts";
import { AF_INET, AF_INET6 } from "./marks.ts";

const IPV6_BYTES = 16;

/** An IPv4 address in network order. Fault "unsupported" for anything else: a tunnel's outside is IPv4. */
export function ipv4Bytes(text: string): Buffer {
  const value = parseIpv4(text);
  if (value === undefined) throw new Fault("unsupported", `cannot use address ${text}: it is not IPv4`);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function readIpv4(value: Buffer | undefined): string | undefined {
  return value === undefined || value.length !== 4 ? undefined : formatIpv4(value.readUInt32BE(0));
}

/** The family of an address or block by its text. */
export function familyOf(text: string): number {
  return isIpv6(text) ? AF_INET6 : AF_INET;
}

/** An address of either family in network order. */
export function ipBytes(text: string): Buffer {
  if (!isIpv6(text)) return ipv4Bytes(text);
  const value = parseIpv6(text);
  if (value === undefined) throw new Fault("unsupported", `cannot use address ${text}: it is not IPv6`);
  return Buffer.from(value.toString(16).padStart(2 * IPV6_BYTES, "0"), "hex");
}

/** The same into a place of a buffer: for many. */
export function writeIp(buffer: Buffer, at: number, text: string): void {
  const value = parseIpv4(text);
  if (value === undefined) ipBytes(text).copy(buffer, at);
  else buffer.writeUInt32BE(value, at);
}

/** An address of either family; IPv6 as RFC 5952 has it. */
export function readIp(value: Buffer | undefined): string | undefined {
  if (value?.length !== IPV6_BYTES) return readIpv4(value);
  return formatIpv6(BigInt(`0x${value.toString("hex")}`));
}

/** "10.0.1.5/24" or "fd00:1::5/64" as address and prefix length. The host part is kept. */
export function splitPrefix(text: string): { readonly address: string; readonly bits: number } {
  const [address = "", tail = ""] = text.split("/");
  const bits = Number(tail);
  const [most, value] = isIpv6(address) ? [128, parseIpv6(address)] : [32, parseIpv4(address)];
  if (!/^\d{1,3}$/.test(tail) || bits > most || value === undefined)
    throw new Fault("unsupported", `cannot use ${text}: it is not an IP address with a prefix length`);
  return { address, bits };
}

export function macBytes(text: string): Buffer {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text))
    throw new Fault("invalid", `invalid MAC address: ${text}`);
  return Buffer.from(text.replaceAll(":", ""), "hex");
}

export function readMac(value: Buffer | undefined): string | undefined {
  if (value === undefined || value.length !== 6) return undefined;
  return [...value].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
