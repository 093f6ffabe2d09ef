import { Fault } from "../lib/index.ts";
import type { ContainerNetworks, NetworkWish, SandboxPlace, SandboxWish } from "./networks.ts";

/** One network, "bridge", in memory: addresses by turns, ports held by who has them. */
export class FakeContainerNetworks implements ContainerNetworks {
  readonly places: Map<string, SandboxPlace> = new Map<string, SandboxPlace>();
  /** Of running containers that were renamed. */
  readonly names: Map<string, string> = new Map<string, string>();
  readonly known: Set<string> = new Set(["bridge", "extra"]);
  /** What an attachment waits for. */
  held: Promise<void> = Promise.resolve();
  #next = 2;

  async check({ networks }: Pick<SandboxWish, "networks">): Promise<readonly string[]> {
    return networks.map(({ ref }) => this.#nameOf(ref));
  }

  netnsOf(containerId: string): string {
    return `/fake/netns/${containerId.slice(0, 12)}`;
  }

  async attach(wish: SandboxWish, signal: AbortSignal): Promise<SandboxPlace> {
    await this.held;
    signal.throwIfAborted();
    const { containerId, ports, networks } = wish;
    const here = this.places.get(containerId);
    if (here !== undefined) return here;
    await this.check(wish);
    const held = [...this.places.values()].flatMap((place) => place.ports.map(({ published }) => published));
    const clash = ports.find(({ published }) => published !== 0 && held.includes(published));
    if (clash !== undefined) {
      throw new Fault("conflict", `Bind for 0.0.0.0:${clash.published} failed: port is already allocated`);
    }
    const place: SandboxPlace = {
      ...{ netns: this.netnsOf(containerId), gatewayAddress: "172.18.0.2", ports },
      endpoints: networks.map((network, i) => this.#endpoint(network, i)),
      dns: { nameservers: ["127.0.0.11"], search: [], options: ["ndots:0"] },
    };
    this.places.set(containerId, place);
    return place;
  }

  async connect(containerId: string, wish: NetworkWish): Promise<SandboxPlace> {
    await this.check({ networks: [wish] });
    return this.#change(containerId, (place) => [...place, this.#endpoint(wish, place.length)]);
  }

  async disconnect(containerId: string, networkRef: string): Promise<SandboxPlace> {
    return this.#change(containerId, (place) =>
      place.filter(({ networkName }) => networkName !== this.#nameOf(networkRef)),
    );
  }

  async rename(containerId: string, name: string): Promise<void> {
    if (this.places.has(containerId)) this.names.set(containerId, name);
  }

  async detach(containerId: string): Promise<void> {
    this.places.delete(containerId);
  }

  adopt(running: Parameters<ContainerNetworks["adopt"]>[0]): void {
    for (const { wish, place } of running) this.places.set(wish.containerId, place);
  }

  /** A network's id is its name and "-id". */
  #nameOf(ref: string): string {
    const name = ref.replace(/-id$/, "");
    if (!this.known.has(name)) throw new Fault("not-found", `network ${ref} not found`);
    return name;
  }

  #endpoint({ ref, aliases }: NetworkWish, i: number): SandboxPlace["endpoints"][number] {
    const address = `172.17.0.${this.#next++}`;
    const networkName = this.#nameOf(ref);
    return {
      ...{ device: `eth${i}`, networkId: `${networkName}-id`, networkName, aliases },
      ...{ address: `${address}/16`, gateway: "172.17.0.1", mac: "02:00:00:00:00:02" },
    };
  }

  #change(
    containerId: string,
    change: (endpoints: SandboxPlace["endpoints"]) => SandboxPlace["endpoints"],
  ): SandboxPlace {
    const place = this.places.get(containerId);
    if (place === undefined) throw new Fault("conflict", `container ${containerId} is not running`);
    const next = { ...place, endpoints: change(place.endpoints) };
    this.places.set(containerId, next);
    return next;
  }
}
