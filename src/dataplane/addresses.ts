import {
  Fault,
  formatIpv4,
  type Ipv4,
  parseIpv4,
  requireCidr,
  sizeOf,
  subnetsOf,
  subnetWith,
} from "../lib/index.ts";
import type { SideFact } from "./facts.ts";

/** First table and mark of the replies that go back through their entry node; clear of the kernel's 253 to 255. */
const FIRST_MARK = 0x10000;

/** Who has which address of a node's gateway subnet. */
export interface GatewayLayout {
  /** The gateway bridge: default gateway of tasks, address of the resolver. */
  readonly bridge: string;
  /** First and last address that an agent may give to a task. */
  readonly firstTask: string;
  readonly lastTask: string;
  /** The link to the ingress sandbox, a /30: the host's address and the sandbox's. */
  readonly meshHost: string;
  readonly meshSandbox: string;
}

/** The node's own addresses come first, tasks from the 16th on. Throws an "invalid" Fault for less than a /27. */
export function gatewayLayout(subnet: string): GatewayLayout {
  const cidr = requireCidr(subnet);
  if (cidr.bits > 27)
    throw new Fault("invalid", `cannot use gateway subnet ${subnet}: it needs 32 addresses`);
  const at = (offset: number) => formatIpv4(cidr.base + offset);
  return {
    bridge: at(1),
    meshHost: at(5),
    meshSandbox: at(6),
    firstTask: at(16),
    lastTask: at(sizeOf(cidr) - 2),
  };
}

/** The MAC of an interface with this address: 02:42 and its four bytes, as Docker's, so that peers can compute it. */
export function macOf(address: string): string {
  const value = requireIpv4(address);
  const bytes = [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff);
  return ["02", "42", ...bytes.map((b) => b.toString(16).padStart(2, "0"))].join(":");
}

/** The mark, and routing table, of connections that entered at the node with this address on the ingress network. */
export function markOf(address: string, network: SideFact): number {
  const own = subnetWith(network, address);
  const all = subnetsOf(network);
  const before = all.slice(0, all.indexOf(own)).map(({ subnet }) => sizeOf(requireCidr(subnet)));
  const place = requireIpv4(address) - requireCidr(own.subnet).base;
  return before.reduce((sum, size) => sum + size, FIRST_MARK + place);
}

function requireIpv4(text: string): Ipv4 {
  const address = parseIpv4(text);
  if (address === undefined) throw new Fault("invalid", `invalid IP address: ${text}`);
  return address;
}
