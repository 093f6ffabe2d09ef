import { createHash } from "node:crypto";
import type { EngineEvent, LocalNetwork, LocalNetworks } from "../api/index.ts";
import { gatewayLayout, type NetworkFacts } from "../dataplane/index.ts";
import type { Engine } from "../engine/index.ts";
import { Fault } from "../lib/index.ts";
import { ipamOf, type OwnSubnet } from "../model/index.ts";
import { isDefault, type MetNetwork, type LocalNetworks as SavedNetworks } from "../network/index.ts";
import type { Config } from "./config.ts";
import type { EventHub } from "./event-hub.ts";
import type { NodeNetworkParts } from "./node-network.ts";

/** Docker's name for the bridge that does the same; tools look for it. */
const GATEWAY_BRIDGE = "docker_gwbridge";

export interface LocalNetworksParts {
  readonly config: Config;
  readonly engine: Pick<Engine, "connect" | "disconnect">;
  readonly network: Pick<NodeNetworkParts, "localNetworks" | "bridges" | "sandboxes">;
  /** What the cluster's network is built from; undefined while the node is in no swarm. */
  facts(): NetworkFacts | undefined;
  readonly events: Pick<EventHub, "publish">;
}

type Bridge = ReturnType<SavedNetworks["list"]>[number];

/**
 * The networks that this node knows by itself: its bridges, `host` and `none`; in a swarm also its gateway bridge, and the overlays it
 * is on.
 */
export function localNetworks(parts: LocalNetworksParts): LocalNetworks {
  const { config, network, engine, facts, events } = parts;
  const { localNetworks: saved, bridges, sandboxes } = network;
  const shown = (bridge: Bridge) => bridgeOf(bridge, bridges.isInUse(bridge.id));
  return {
    list() {
      const known = facts();
      const cluster = known?.networks.map((n): LocalNetwork => ({ ...n, driver: "overlay", scope: "swarm" }));
      const gateway = known === undefined ? [] : [gatewayOf(config)];
      const own = saved.list().map(shown);
      return [...own, ...EVERYWHERE.map((row) => everywhere(config, row)), ...gateway, ...(cluster ?? [])];
    },
    async create(spec) {
      const made = saved.create(spec);
      sandboxes.networksChanged();
      events.publish(networkEvent("create", { id: made.id, name: spec.name, driver: "bridge" }));
      return shown(made);
    },
    async remove(id) {
      const name = saved.get(id)?.spec.name ?? "";
      if (bridges.isInUse(id)) {
        const what = `network ${name} id ${id} has active endpoints`;
        throw new Fault("forbidden", `error while removing network: ${what}`);
      }
      saved.remove(id);
      sandboxes.networksChanged();
      events.publish(networkEvent("destroy", { id, name, driver: "bridge" }));
    },
    connect: (containerId, networkId, wish) => engine.connect(containerId, { ...wish, ref: networkId }),
    disconnect: (containerId, network) => engine.disconnect(containerId, network),
  };
}

/** As Docker tells of networks of a node. */
export function networkEvent(
  action: "create" | "destroy" | "connect" | "disconnect",
  { id, name, driver }: MetNetwork,
  rest: Readonly<Record<string, string>> = {},
): Omit<EngineEvent, "at"> {
  return {
    type: "network",
    action,
    scope: "local",
    actor: id,
    attributes: { ...rest, name, type: driver },
  };
}

/** Subnets that no overlay can have here. */
export function ownSubnets(config: Config): OwnSubnet[] {
  return [{ name: GATEWAY_BRIDGE, subnet: config["gateway-subnet"] }];
}

function bridgeOf(bridge: Bridge, inUse: boolean): LocalNetwork {
  const { id, createdAt, spec, subnet, gateway, v6 } = bridge;
  const [asked] = ipamOf(spec, 4);
  return {
    ...{ id, name: spec.name, driver: "bridge", scope: "local", subnet, gateway, ingress: false },
    ...{ internal: spec.internal, attachable: spec.attachable, labels: spec.labels, options: spec.options },
    ...{ createdAt, custom: !isDefault(bridge), inUse: inUse || isDefault(bridge) },
    ...(asked?.ipRange !== undefined && { ipRange: asked.ipRange }),
    ...(asked?.auxAddresses !== undefined && { auxAddresses: asked.auxAddresses }),
    ...(v6 !== undefined && { v6 }),
  };
}

/** What needs nothing of the node's: the host's own network, and none at all. */
const EVERYWHERE = [
  { name: "host", driver: "host" },
  { name: "none", driver: "null" },
] as const;

function everywhere(config: Config, { name, driver }: (typeof EVERYWHERE)[number]): LocalNetwork {
  const nothing = { subnet: "", gateway: "", internal: false, ingress: false };
  return { id: idOf(config, name), name, driver, scope: "local", ...nothing };
}

function gatewayOf(config: Config): LocalNetwork {
  const subnet = config["gateway-subnet"];
  return {
    id: idOf(config, GATEWAY_BRIDGE),
    name: GATEWAY_BRIDGE,
    driver: "bridge",
    scope: "local",
    subnet,
    gateway: gatewayLayout(subnet).bridge,
    internal: false,
    ingress: false,
  };
}

/** The same for as long as the node is the same. */
function idOf(config: Config, name: string): string {
  return createHash("sha256").update(`${config["data-root"]}\0${name}`).digest("hex");
}
