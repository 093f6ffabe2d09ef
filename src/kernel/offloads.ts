import { closeSync } from "node:fs";
import { checked, libc, withWords } from "./libc.ts";

/** linux/sockios.h, linux/ethtool.h */
const SIOCETHTOOL = 0x8946;
const ETHTOOL_GGRO = 0x2b;
const ETHTOOL_SGRO = 0x2c;
/** socket(2) */
const AF_INET = 2;
const SOCK_DGRAM = 2;
/** struct ifreq: a name, and a pointer to struct ethtool_value. */
const IFREQ_BYTES = 40;
const NAME_BYTES = 16;

/**
 * Switches generic receive offload off at a link of the namespace that the thread is in, if the kernel will. What comes out of a tunnel has
 * been through it at the host's own device, tunnel headers and all: a second time costs, and merges nothing.
 */
export function switchGroOff(link: string): void {
  ask(link, ETHTOOL_SGRO, 0);
}

/** Whether a link of this namespace merges what it receives. */
export function hasGro(link: string): boolean {
  return ask(link, ETHTOOL_GGRO, 0) === 1;
}

/** The value after the request: the kernel's answer, or what it was. */
function ask(link: string, command: number, value: number): number | undefined {
  const fd = checked(libc().socket(AF_INET, SOCK_DGRAM, 0), "open a socket");
  try {
    const [, answer] = withWords([command, value], (address) => {
      const request = Buffer.alloc(IFREQ_BYTES);
      request.write(link, "latin1");
      request.writeBigUInt64LE(address, NAME_BYTES);
      libc().ioctl(fd, SIOCETHTOOL, request);
    });
    return answer;
  } finally {
    closeSync(fd);
  }
}
