import { contains, contains6, parseCidr, parseCidr6, parseIpv4, parseIpv6 } from "../lib/index.ts";
import { isIp6 } from "./packet.ts";

/** Length of the block's prefix when the address is in it, else undefined. "default" and "::/0" are blocks too. */
export function bitsOfBlockWith(address: string, block: string): number | undefined {
  if (block === "default") return isIp6(address) ? undefined : 0;
  if (isIp6(address) !== isIp6(block)) return undefined;
  const whole = block.includes("/") ? block : `${block}/${isIp6(block) ? 128 : 32}`;
  if (isIp6(address)) {
    const [cidr, value] = [parseCidr6(whole), parseIpv6(address)];
    return cidr !== undefined && value !== undefined && contains6(cidr, value) ? cidr.bits : undefined;
  }
  const [cidr, value] = [parseCidr(whole), parseIpv4(address)];
  return cidr !== undefined && value !== undefined && contains(cidr, value) ? cidr.bits : undefined;
}

export const isIn = (address: string, block: string): boolean =>
  bitsOfBlockWith(address, block) !== undefined;
