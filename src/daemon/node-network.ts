import { existsSync } from "node:fs";
import { BALANCERS, type Balancer, gatewayLayout, type NetworkFacts } from "../dataplane/index.ts";
import type { Kernel } from "../kernel/index.ts";
import type { Clock, Log } from "../lib/index.ts";
import { GatewayAddresses, GuestDesk, HostPorts, NetworkApplier, type Speaker } from "../network/index.ts";
import { ThreadResolver } from "../resolver/index.ts";
import type { Config } from "./config.ts";
import { type HostResolver, hostResolver } from "./host-resolver.ts";

/** This node's network, for as long as the daemon lives: one for the tasks of a cluster and for containers made by hand. */
export interface NodeNetworkParts {
  readonly applier: NetworkApplier;
  readonly gateway: GatewayAddresses;
  readonly hostPorts: HostPorts;
  /** What containers made by hand want of the cluster's networks. */
  readonly guests: GuestDesk;
  /** Whom the node asks for names, and what its sandboxes are told. */
  readonly dns: HostResolver;
  readonly hasIpv6: boolean;
  run(signal: AbortSignal): Promise<void>;
}

export interface NodeNetworkNeeds {
  readonly config: Config;
  readonly kernel: Kernel;
  /** Who has something in the kernel from before. */
  readonly waitsFor: readonly Speaker[];
  readonly clock: Clock;
  readonly log: Log;
}

export function makeNodeNetwork({ config, ...needs }: NodeNetworkNeeds): NodeNetworkParts {
  const { clock, log } = needs;
  const gatewaySubnet = config["gateway-subnet"];
  const dns = hostResolver(config);
  const ipv6 = hasIpv6(config);
  const address = gatewayLayout(gatewaySubnet).bridge;
  const resolver = new ThreadResolver({ address, upstreams: dns.upstreams, clock, log });
  const applier = new NetworkApplier({
    ...needs,
    settings: { gatewaySubnet, ipv6 },
    plan: { tag: config["kernel-tag"], balancer: balancerOf(config) },
    // As long as nobody could ask, the resolver would look for its address in vain.
    onFacts: (facts) => isInUse(facts) && resolver.tell(facts),
  });
  return {
    ...{ applier, dns, hasIpv6: ipv6 },
    gateway: new GatewayAddresses(gatewaySubnet),
    hostPorts: new HostPorts(),
    guests: new GuestDesk({ clock, log }),
    run: async (signal) => {
      await Promise.all([applier.run(signal), resolver.run(signal)]);
    },
  };
}

function isInUse({ self, tasks }: NetworkFacts): boolean {
  return self.nodeId !== "" || tasks.length > 0;
}

function balancerOf({ balancer }: Config): Balancer {
  return BALANCERS[balancer === "auto" ? "nftables" : balancer];
}

/** The kernel lists IPv6 addresses when it has IPv6 at all, be it that no link has any. */
function hasIpv6({ ipv6 }: Config): boolean {
  return ipv6 === "auto" && existsSync("/proc/net/if_inet6");
}
