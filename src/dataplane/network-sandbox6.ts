import { subnetsOf } from "../lib/index.ts";
import { EMPTY_NAMESPACE, type Namespace, type NftTable, type Route } from "../netstate/index.ts";
import { macOf } from "./addresses.ts";
import { embed, linkSysctls6 } from "./addresses6.ts";
import type { BalancerPart } from "./balancer.ts";
import { Derived } from "./derived.ts";
import type { Names } from "./names.ts";
import type { Remote, Survey } from "./survey.ts";

/**
 * What a sandbox has beside its IPv4 when its network has IPv6 too: a route per task, a neighbour per node and per local task.
 * Nobody asks for a neighbour, so nothing is answered or learned: tasks know their router, the router knows its tasks, and nodes
 * know each other by link-local addresses that follow from their IPv4 ones.
 */
export function networkSandbox6(
  names: Names,
  survey: Survey,
  six: NonNullable<Survey["six"]>,
  balancing: BalancerPart,
): Namespace {
  const vxlan = names.vxlan(survey.network.vni);
  const routed = six.legs.filter((leg) => leg.routed);
  const links = [vxlan, ...six.legs.map((leg) => names.taskLeg(leg.taskId))];
  return {
    ...EMPTY_NAMESPACE,
    addresses: subnetsOf(six)
      .map(({ gateway }) => ({ link: "lo", address: `${gateway}/128` }))
      .concat(balancing.addresses),
    routes: routed
      .map(
        (leg): Route => ({
          destination: `${leg.address}/128`,
          link: names.taskLeg(leg.taskId),
          source: six.gateway,
        }),
      )
      .concat(ROUTES.of(six.remotes, vxlan, six.gateway)),
    neighbours: [
      ...routed.map(({ taskId, address, mac }) => ({ link: names.taskLeg(taskId), address, mac })),
      ...survey.peers.map(({ address }) => ({
        link: vxlan,
        address: embed("node", address),
        mac: macOf(address),
      })),
    ],
    sysctls: { "net.ipv6.conf.all.forwarding": "1", ...linkSysctls6(links), ...balancing.sysctls },
    tables: [...balancing.tables, guardTable(names)],
  };
}

const ROUTES = new Derived(({ address, via }: Remote, link = "", source = ""): Route[] => [
  { destination: `${address}/128`, link, via, source },
]);

/** No task speaks in another's name; for IPv4 that is `rp_filter`, which IPv6 does not have. */
function guardTable(names: Names): NftTable {
  return {
    family: "ip6",
    name: names.table("guard"),
    sets: [],
    maps: [],
    chains: [
      {
        name: "guard",
        base: { type: "filter", hook: "prerouting", priority: "raw", policy: "accept" },
        rules: [`iifname ${names.anyTaskLeg} fib saddr . iif oif 0 drop`],
      },
    ],
  };
}
