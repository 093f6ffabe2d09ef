import type { PortSpec } from "../model/index.ts";

/** What a container asks of the node's networks, in the user's words. */
export interface SandboxWish {
  readonly containerId: string;
  /** Also its name on user-made networks. */
  readonly name: string;
  readonly networks: readonly NetworkWish[];
  /** Published ports; `published` 0: any free one. */
  readonly ports: readonly PublishWish[];
}

export interface NetworkWish {
  /** Name, id or unique beginning of an id, as the user wrote it. */
  readonly ref: string;
  readonly aliases: readonly string[];
  /** The address it wants there. */
  readonly address?: string;
  readonly address6?: string;
}

export interface PublishWish extends Pick<PortSpec, "protocol" | "target" | "published"> {
  /** Any free one from `published` to this one; a place has one number alone. */
  readonly publishedLast?: number;
  /** The host's address that it is bound to; absent: all of them. */
  readonly hostAddress?: string;
}

/** A container's place once it has one. */
export interface SandboxPlace {
  readonly netns: string;
  /** Its address on the node's gateway bridge. */
  readonly gatewayAddress: string;
  readonly endpoints: readonly EndpointPlace[];
  readonly ports: readonly PublishWish[];
  readonly dns: {
    readonly nameservers: readonly string[];
    readonly search: readonly string[];
    readonly options: readonly string[];
  };
}

export interface EndpointPlace {
  /** Its interface in the sandbox: "eth0". */
  readonly device: string;
  readonly networkId: string;
  readonly networkName: string;
  readonly aliases: readonly string[];
  /** With prefix length: "172.17.0.2/16". */
  readonly address: string;
  readonly gateway: string;
  readonly mac: string;
  readonly v6?: { readonly address: string; readonly gateway: string };
}

/** The node's networks, for containers made by hand. A wish for `host` or `none` alone never comes here. */
export interface ContainerNetworks {
  /**
   * Faults as Docker's when it is made: "not-found" `network x not found`, a network that cannot be attached to. Makes nothing. Tells
   * the names of the networks that are meant, in the wish's order; of one that only a manager can know, the user's word.
   */
  check(wish: SandboxWish): Promise<readonly string[]>;
  /** Where a sandbox of this container is or will be: the same before and after `attach`. */
  netnsOf(containerId: string): string;
  /**
   * Gives the container its sandbox, addresses and ports; the kernel has them when it resolves. Asked twice, the same place.
   * Faults: "conflict" for a taken port or address; nothing is left half made.
   */
  attach(wish: SandboxWish, signal: AbortSignal): Promise<SandboxPlace>;
  /** One network more for a running container: the last of its endpoints then. */
  connect(containerId: string, wish: NetworkWish, signal: AbortSignal): Promise<SandboxPlace>;
  disconnect(containerId: string, networkRef: string): Promise<SandboxPlace>;
  /** A running container is called otherwise on its networks from now on; of others nothing is known here. */
  rename(containerId: string, name: string): Promise<void>;
  /** Takes all of it away, and gives addresses and ports free. */
  detach(containerId: string): Promise<void>;
  /** After a restart of the daemon: these run already, with these places, and keep them. Before anything is applied to the kernel. */
  adopt(running: readonly { readonly wish: SandboxWish; readonly place: SandboxPlace }[]): void;
}
