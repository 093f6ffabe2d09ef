import { createHash } from "node:crypto";
import type { LocalNetwork, LocalNetworks } from "../api/index.ts";
import { gatewayLayout, type NetworkFacts } from "../dataplane/index.ts";
import type { OwnSubnet } from "../model/index.ts";
import type { Config } from "./config.ts";

/** Docker's name for the bridge that does the same; tools look for it. */
const GATEWAY_BRIDGE = "docker_gwbridge";

/** The networks that this node knows by itself: its gateway bridge, once it is in a swarm, and the overlays it is on. */
export function localNetworks(config: Config, facts: () => NetworkFacts | undefined): LocalNetworks {
  return {
    list() {
      const known = facts();
      if (known === undefined) return [];
      return [
        gatewayOf(config),
        ...known.networks.map((network): LocalNetwork => ({ ...network, driver: "overlay", scope: "swarm" })),
      ];
    },
  };
}

/** Subnets that no overlay can have here. */
export function ownSubnets(config: Config): OwnSubnet[] {
  return [{ name: GATEWAY_BRIDGE, subnet: config["gateway-subnet"] }];
}

function gatewayOf(config: Config): LocalNetwork {
  const subnet = config["gateway-subnet"];
  return {
    id: createHash("sha256").update(`${config["data-root"]}\0${GATEWAY_BRIDGE}`).digest("hex"),
    name: GATEWAY_BRIDGE,
    driver: "bridge",
    scope: "local",
    subnet,
    gateway: gatewayLayout(subnet).bridge,
    internal: false,
    ingress: false,
  };
}
