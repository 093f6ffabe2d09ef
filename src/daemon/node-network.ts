import { existsSync } from "node:fs";
import { join } from "node:path";
import { BALANCERS, type Balancer, gatewayLayout, type NetworkFacts } from "../dataplane/index.ts";
import type { Kernel } from "../kernel/index.ts";
import { type Clock, type Log, messageOf, type Random, subnetsOf } from "../lib/index.ts";
import {
  Bridges,
  ContainerSandboxes,
  GatewayAddresses,
  GuestDesk,
  HostPorts,
  LocalNetworks,
  type MetNetwork,
  NetworkApplier,
  NetworksFile,
  Overlays,
  type Speaker,
} from "../network/index.ts";
import { ThreadResolver } from "../resolver/index.ts";
import type { Config } from "./config.ts";
import { type HostResolver, hostResolver } from "./host-resolver.ts";
import { hostRoutes } from "./host-routes.ts";

/** This node's network, for as long as the daemon lives: one for the tasks of a cluster and for containers made by hand. */
export interface NodeNetworkParts {
  readonly applier: NetworkApplier;
  readonly gateway: GatewayAddresses;
  readonly hostPorts: HostPorts;
  /** What containers made by hand want of the cluster's networks. */
  readonly guests: GuestDesk;
  /** The bridge networks of this node, as they are kept, and as containers are on them. */
  readonly localNetworks: LocalNetworks;
  readonly bridges: Bridges;
  /** Of containers made by hand. */
  readonly sandboxes: ContainerSandboxes;
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
  readonly netnsDir: string;
  /** A container came to a network, or left it. */
  readonly onChange?: (what: "connect" | "disconnect", network: MetNetwork, containerId: string) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export async function makeNodeNetwork({ config, ...needs }: NodeNetworkNeeds): Promise<NodeNetworkParts> {
  const { clock, log } = needs;
  const gatewaySubnet = config["gateway-subnet"];
  const dns = hostResolver(config);
  const ipv6 = hasIpv6(config);
  const address = gatewayLayout(gatewaySubnet).bridge;
  const resolver = new ThreadResolver({ address, upstreams: dns.upstreams, clock, log });
  const applier = new NetworkApplier({
    ...needs,
    settings: { gatewaySubnet, ipv6 },
    plan: {
      tag: config["kernel-tag"],
      balancer: balancerOf(config),
      flowTables: await hasFlowTables(config, needs),
    },
    // As long as nobody could ask, the resolver would look for its address in vain.
    onFacts: (facts) => isInUse(facts) && resolver.tell(facts),
  });
  const gateway = new GatewayAddresses(gatewaySubnet);
  const hostPorts = new HostPorts();
  const localNetworks = openNetworks(config, needs, applier);
  const bridges = new Bridges(localNetworks, ipv6);
  const guests = new GuestDesk({ clock, log });
  const overlays = new Overlays({ desk: guests, known: () => applier.facts().networks });
  const parts = { ...needs, applier, gateway, hostPorts, bridges, dns, others: [overlays] };
  const sandboxes = new ContainerSandboxes(parts);
  overlays.whenLost((id, networkId) => {
    const failed = (error: unknown) =>
      log.warn("lost network not taken away", { container: id, error: messageOf(error) });
    sandboxes.disconnect(id, networkId).catch(failed);
  });
  return {
    ...{ guests, applier, gateway, hostPorts, localNetworks, bridges, sandboxes, dns, hasIpv6: ipv6 },
    run: async (signal) => {
      await Promise.all([applier.run(signal), resolver.run(signal)]);
    },
  };
}

function openNetworks(
  config: Config,
  { clock, random }: Pick<NodeNetworkNeeds, "clock" | "random">,
  applier: NetworkApplier,
): LocalNetworks {
  const isOurs = (device: string) => device.startsWith(`${config["kernel-tag"]}-`);
  return new LocalNetworks({
    file: new NetworksFile(join(config["data-root"], "networks.json")),
    taken: () => ({
      networks: [config["gateway-subnet"]],
      elsewhere: [...hostRoutes(isOurs), ...overlaySubnets(applier.facts())],
    }),
    ...(config.bip !== undefined && { bip: config.bip }),
    ...{ clock, random },
  });
}

function overlaySubnets({ networks }: NetworkFacts): string[] {
  return networks.flatMap((network) => subnetsOf(network).map(({ subnet }) => subnet));
}

function isInUse({ self, tasks }: NetworkFacts): boolean {
  return self.nodeId !== "" || tasks.length > 0;
}

function balancerOf({ balancer }: Config): Balancer {
  return BALANCERS[balancer === "auto" ? "nftables" : balancer];
}

/** Without them all works the same, and slower: so nobody is troubled with what the kernel lacks. */
async function hasFlowTables(config: Config, { kernel, log }: Pick<NodeNetworkNeeds, "kernel" | "log">) {
  if (config["flow-tables"] === "off") return false;
  const lack = await kernel.lackOfFlowTables().catch(messageOf);
  if (lack !== "") log.info("no flow tables", { because: lack });
  return lack === "";
}

/** The kernel lists IPv6 addresses when it has IPv6 at all, be it that no link has any. */
function hasIpv6({ ipv6 }: Config): boolean {
  return ipv6 === "auto" && existsSync("/proc/net/if_inet6");
}
