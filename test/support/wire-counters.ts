import type { TestHost } from "./netns.ts";

/** What came to a host by its wire, before the kernel has looked into it: packets of ESP, and of VXLAN in clear. */
export interface Heard {
  readonly sealed: number;
  readonly clear: number;
}

const COUNTERS = `table netdev wire {
  counter sealed {}
  counter clear {}
  chain in {
    type filter hook ingress device "eth0" priority 0;
    ip protocol esp counter name sealed
    udp dport { 4789, 4790 } counter name clear
  }
}`;

/** A host's own namespace, where commands are run by their words; what they print. */
type Wired = Pick<TestHost, "run">;

export async function countWire(host: Wired): Promise<void> {
  await host.run(["nft", COUNTERS]);
}

/** Since `countWire`. */
export async function heardBy(host: Wired): Promise<Heard> {
  const { nftables } = JSON.parse(await host.run(["nft", "-j", "list", "counters"])) as {
    nftables: readonly { counter?: { name: string; packets: number } }[];
  };
  const count = (name: keyof Heard) =>
    nftables.find(({ counter }) => counter?.name === name)?.counter?.packets;
  const [sealed, clear] = [count("sealed"), count("clear")];
  if (sealed === undefined || clear === undefined) throw new Error("the wire is not counted");
  return { sealed, clear };
}
