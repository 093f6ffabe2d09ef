/**
 * network: this node's sandboxes: who has one, with which address on the gateway bridge and which host ports, and the loop that keeps the
 * kernel so. It lives as long as the daemon, in a cluster or in none. It runs no container and decides nothing about the cluster.
 */
export { Bridges } from "./bridges.ts";
export type { ClusterFacts, ClusterNetwork } from "./cluster-network.ts";
export { ContainerSandboxes } from "./container-sandboxes.ts";
export { GatewayAddresses } from "./gateway-addresses.ts";
export { GuestDesk, type GuestLine } from "./guest-desk.ts";
export { HostPorts, hostModeOf } from "./host-ports.ts";
export { isDefault, LocalNetworks } from "./local-networks.ts";
export { NetworkApplier, type Speaker } from "./network-applier.ts";
export type * from "./network-kind.ts";
export { NetworksFile } from "./networks-file.ts";
export { Overlays } from "./overlays.ts";
