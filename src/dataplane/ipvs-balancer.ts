import {
  hexMark,
  type IpvsDestination,
  type IpvsTimeouts,
  type NftChain,
  type NftMap,
} from "../netstate/index.ts";
import type { Balancer, Balancing, PublishedService, VirtualService } from "./balancer.ts";
import { nftBalancer, postrouting, selfPairs } from "./nft-balancer.ts";

/**
 * Balances with IPVS, in its NAT mode: an nftables map marks what is for a VIP or a published port, and the IPVS service of that
 * mark draws a backend. By mark, because a service by address is for one port, or else sticky. IPv6 stays with nftables.
 *
 * Two services a VIP: UDP has no end, so that it moves at once when its backend leaves; all else ends in peace. A VIP or port
 * without backends is marked by nobody: its packets are for the sandbox, which refuses them as with `nftBalancer`. Its services
 * stay, for the connections that drain.
 */
export const ipvsBalancer: Balancer = (wanted) => {
  const blocks = [...new Set(wanted.subnets.map(firstByte))];
  if (wanted.family === "ip6" || blocks.length > MOST_BLOCKS) return nftBalancer(wanted);
  const virtual = wanted.virtual.map((service) => ({ service, marks: marksOfVip(service.vip, blocks) }));
  const common = { family: "ip", scheduler: wanted.scheduler ?? "rr" } as const;
  const published = wanted.published.map((service) => ({ service, mark: markOfPort(service) }));
  return {
    addresses: wanted.virtual.map(({ vip }) => ({ link: "lo", address: `${vip}/32` })),
    sysctls: SYSCTLS,
    tables: [
      {
        family: "ip",
        name: wanted.table,
        sets: [selfPairs("ipv4_addr", wanted.tasks)],
        maps: [
          vipMap(
            "vips",
            virtual.map(({ service, marks }) => [service, marks.lasting] as const),
          ),
          vipMap(
            "vips-udp",
            virtual.map(({ service, marks }) => [service, marks.udp] as const),
          ),
          ...portMap(published),
        ],
        chains: [marking(wanted), postrouting("ip", wanted.address)],
      },
    ],
    ipvs: {
      timeouts: TIMEOUTS,
      services: [
        ...virtual.flatMap(({ service: { backends }, marks }) => [
          { ...common, mark: marks.lasting, drains: true, destinations: anyPort(backends) },
          { ...common, mark: marks.udp, drains: false, destinations: anyPort(backends) },
        ]),
        ...published.map(({ service: { port, backends }, mark }) => {
          return {
            ...common,
            mark,
            drains: port.protocol !== "udp",
            destinations: backends,
          };
        }),
      ],
    },
  };
};

/**
 * Seconds. The kernel's own 900 for an open TCP connection would cut those that are merely idle; connection tracking keeps them
 * for 432000 (nf_conntrack-sysctl), and so shall IPVS.
 */
const TIMEOUTS: IpvsTimeouts = { tcp: 432_000, tcpFin: 120, udp: 120 };

/**
 * Linux, ipvs-sysctl: connection tracking shall know what IPVS does with a connection, so that rules can go by its state;
 * and a client of a backend that was removed is given another.
 */
const SYSCTLS: Readonly<Record<string, string>> = {
  "net.ipv4.vs.conntrack": "1",
  "net.ipv4.vs.expire_nodest_conn": "1",
};

/** Clear of the marks of the mesh, which are of a place in a subnet and never so large (`markOf`); ipvsadm shows the top bit as a sign. */
const VIP_MARK = 0x40000000;
const UDP_MARK = 0x01000000;
const PORT_MARK = 0x50000000;
const PROTOCOLS = { tcp: 1, udp: 2, sctp: 3 } as const;

const firstByte = (address: string): number => Number(address.split(".")[0]);

/** So many first bytes of addresses have marks below `PORT_MARK`, one for UDP and one for the rest. */
const MOST_BLOCKS = (PORT_MARK - VIP_MARK) / (2 * UDP_MARK);

/**
 * The last three bytes of a VIP tell it from the others of its network that begin with the same byte, because no subnet is larger than
 * a /8; and which of the network's first bytes it is tells it from the rest.
 */
function marksOfVip(
  vip: string,
  blocks: readonly number[],
): { readonly lasting: number; readonly udp: number } {
  const [first = 0, a = 0, b = 0, c = 0] = vip.split(".").map(Number);
  const block = Math.max(0, blocks.indexOf(first)) * 2 * UDP_MARK;
  const lasting = VIP_MARK + block + a * 0x10000 + b * 0x100 + c;
  return { lasting, udp: lasting + UDP_MARK };
}

function markOfPort({ port }: PublishedService): number {
  return PORT_MARK + PROTOCOLS[port.protocol] * 0x10000 + port.published;
}

function vipMap(name: string, rows: readonly (readonly [VirtualService, number])[]): NftMap {
  const served = rows.filter(([{ backends }]) => backends.length > 0);
  const elements = Object.fromEntries(served.map(([{ vip }, mark]) => [vip, hexMark(mark)]));
  return { name, key: "ipv4_addr", value: "mark", elements };
}

function portMap(rows: readonly { readonly service: PublishedService; readonly mark: number }[]): NftMap[] {
  if (rows.length === 0) return [];
  const served = rows.filter(({ service }) => service.backends.length > 0);
  const elements = Object.fromEntries(
    served.map(({ service: { port }, mark }) => [`${port.protocol} . ${port.published}`, hexMark(mark)]),
  );
  return [{ name: "ports", key: "inet_proto . inet_service", value: "mark", elements }];
}

/** What is in no map keeps its mark. */
function marking({ published }: Balancing): NftChain {
  const entry = published[0];
  const portRule =
    entry &&
    `iifname "${entry.link}" ip daddr ${entry.address} meta mark set meta l4proto . th dport map @ports`;
  return {
    name: "marking",
    base: { type: "filter", hook: "prerouting", priority: "mangle", policy: "accept" },
    rules: [
      ...(portRule === undefined ? [] : [portRule]),
      "meta l4proto udp meta mark set ip daddr map @vips-udp",
      "meta l4proto != udp meta mark set ip daddr map @vips",
    ],
  };
}

function anyPort(backends: readonly string[]): IpvsDestination[] {
  return backends.map((address) => ({ address, port: 0 }));
}
