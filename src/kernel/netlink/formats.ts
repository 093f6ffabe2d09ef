import { Fault, formatIpv4, parseIpv4 } from "../../lib/index.ts";

/** An IPv4 address in network order. Fault "unsupported" for anything else: our plans speak IPv4 only. */
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

/** "10.0.1.5/24" as address and prefix length. The host part is kept. */
export function splitPrefix(text: string): { readonly address: string; readonly bits: number } {
  const [address = "", tail = ""] = text.split("/");
  const bits = Number(tail);
  if (!/^\d{1,2}$/.test(tail) || bits > 32 || parseIpv4(address) === undefined)
    throw new Fault("unsupported", `cannot use ${text}: it is not an IPv4 address with a prefix length`);
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
