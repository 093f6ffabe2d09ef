import type { NftTable, RouteRule } from "../netstate/index.ts";

/** Mark, inside a task's namespace, of datagrams that came through a published port. */
const DATAGRAM_MARK = 1;

/**
 * A published UDP port. A server that listens on every address lets the kernel choose the source of its answers, and
 * the kernel chooses the address of the default route: the gateway leg's. So datagrams from the ingress leg are translated
 * to that address; the answers match the connection, get its mark, are routed by it, and leave as from the ingress address.
 */
export function datagramTable(
  name: string,
  leg: { readonly ethernet: string; readonly address: string },
  gatewayAddress: string,
  family: "ip" | "ip6" = "ip",
): NftTable {
  const mark = `0x${DATAGRAM_MARK.toString(16).padStart(8, "0")}`;
  const arrived = `iifname "${leg.ethernet}" ${family} daddr ${leg.address} meta l4proto udp`;
  return {
    family,
    name,
    sets: [],
    maps: [],
    chains: [
      {
        name: "prerouting",
        base: { type: "nat", hook: "prerouting", priority: "dstnat", policy: "accept" },
        rules: [`${arrived} ct mark set ${mark} dnat to ${gatewayAddress}`],
      },
      {
        name: "output",
        base: { type: "route", hook: "output", priority: "mangle", policy: "accept" },
        rules: [`ct direction reply ct mark ${mark} meta mark set ${mark}`],
      },
    ],
  };
}

/** Where marked answers go: the table of answers to published ports. */
export function datagramRule(priority: number, table: number): RouteRule {
  return { priority, mark: DATAGRAM_MARK, table };
}
