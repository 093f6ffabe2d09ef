import { netnsNameOf, type PortFact, type TaskFact } from "../dataplane/index.ts";
import type {
  ContainerNetworks,
  EndpointPlace,
  NetworkWish,
  PublishWish,
  SandboxPlace,
  SandboxWish,
} from "../engine/index.ts";
import type { Kernel } from "../kernel/index.ts";
import { type Clock, Fault, withDeadline } from "../lib/index.ts";
import type { Bridges } from "./bridges.ts";
import type { GatewayAddresses } from "./gateway-addresses.ts";
import type { HostPort, HostPorts } from "./host-ports.ts";
import type { NetworkApplier } from "./network-applier.ts";
import type { Guest, KnownNetwork, Membership, MetNetwork, NetworkKind } from "./network-kind.ts";

export interface ContainerSandboxesParts {
  readonly applier: NetworkApplier;
  readonly gateway: GatewayAddresses;
  readonly hostPorts: HostPorts;
  readonly bridges: Bridges;
  /** Kinds of networks beside the bridges of this node: asked after them. */
  readonly others?: readonly NetworkKind[];
  readonly kernel: Pick<Kernel, "portsInUse" | "lackOfSctp">;
  readonly netnsDir: string;
  /** Whom the node asks for names, and where. */
  readonly clock: Clock;
  readonly dns: { readonly upstreams: readonly string[]; readonly search: readonly string[] };
  /** A container came to a network, or left it. */
  readonly onChange?: (what: "connect" | "disconnect", network: MetNetwork, containerId: string) => void;
}

/** As long as the node's network may take to be ready: nothing is applied before a node knows what its cluster has there. */
const READY_MS = 30_000;
const notReady = ({ name }: Guest): string =>
  `cannot set up the network of container ${name}: this node's network is not ready; "docker info" tells how its swarm is`;

/** One container's sandbox. */
interface Box {
  readonly guest: Guest;
  readonly gatewayAddress: string;
  readonly ports: readonly HostPort[];
  readonly endpoints: readonly Endpoint[];
}

interface Endpoint extends Membership {
  readonly kind: NetworkKind;
  readonly device: string;
}

/** The sandboxes of containers made by hand: their places on networks of any kind, addresses and ports, kept in the kernel. */
export class ContainerSandboxes implements ContainerNetworks {
  readonly #parts: ContainerSandboxesParts;
  readonly #kinds: readonly NetworkKind[];
  readonly #boxes = new Map<string, Box>();
  /** One thing at a time happens to a container. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(parts: ContainerSandboxesParts) {
    this.#parts = parts;
    this.#kinds = [parts.bridges, ...(parts.others ?? [])];
  }

  netnsOf(containerId: string): string {
    return `${this.#parts.netnsDir}/${netnsNameOf(containerId)}`;
  }

  async check(wish: SandboxWish): Promise<readonly string[]> {
    const names: string[] = [];
    for (const asked of wish.networks) names.push((await this.#find(asked)).network.name);
    return names;
  }

  attach(wish: SandboxWish, signal: AbortSignal): Promise<SandboxPlace> {
    return this.#inTurn(wish.containerId, async () => {
      const known = this.#boxes.get(wish.containerId);
      if (known !== undefined) return this.#placeOf(known);
      const box = await this.#makeBox(wish, signal);
      await this.#put(box, undefined, signal);
      for (const endpoint of box.endpoints) this.#parts.onChange?.("connect", metAt(endpoint), box.guest.id);
      return this.#placeOf(box);
    });
  }

  connect(containerId: string, wish: NetworkWish, signal: AbortSignal): Promise<SandboxPlace> {
    return this.#inTurn(containerId, async () => {
      const box = this.#require(containerId);
      const { kind, network } = await this.#find(wish);
      if (box.endpoints.some((endpoint) => endpoint.network.id === network.id))
        throw new Fault(
          "forbidden",
          `endpoint with name ${box.guest.name} already exists in network ${network.name}`,
        );
      const joined = await kind.join(network, box.guest, wish, signal);
      const device = freeDevice(box.endpoints);
      const endpoint = { ...joined, kind, device };
      const wider = { ...box, endpoints: [...box.endpoints, endpoint] };
      await this.#put(wider, box, signal);
      this.#parts.onChange?.("connect", metAt(endpoint), containerId);
      return this.#placeOf(wider);
    });
  }

  disconnect(containerId: string, networkRef: string): Promise<SandboxPlace> {
    return this.#inTurn(containerId, async () => {
      const box = this.#require(containerId);
      const gone = await this.#endpointOf(box, networkRef);
      const narrower = { ...box, endpoints: box.endpoints.filter((endpoint) => endpoint !== gone) };
      this.#boxes.set(containerId, narrower);
      await this.#parts.applier.engine.attach(rowOf(narrower));
      gone.kind.leave(gone.network.id, containerId);
      this.#tellBridges();
      this.#parts.onChange?.("disconnect", metAt(gone), containerId);
      return this.#placeOf(narrower);
    });
  }

  rename(containerId: string, name: string): Promise<void> {
    return this.#inTurn(containerId, async () => {
      const box = this.#boxes.get(containerId);
      if (box === undefined) return;
      const guest = { ...box.guest, name };
      const endpoints = box.endpoints.map((endpoint) => ({
        ...endpoint,
        ...endpoint.kind.rename(guest, endpoint),
      }));
      const renamed = { ...box, guest, endpoints };
      this.#boxes.set(containerId, renamed);
      await this.#parts.applier.engine.attach(rowOf(renamed));
    });
  }

  detach(containerId: string): Promise<void> {
    return this.#inTurn(containerId, async () => {
      const { engine } = this.#parts.applier;
      const box = this.#boxes.get(containerId);
      if (box === undefined) return;
      await engine.delivered(containerId);
      this.#boxes.delete(containerId);
      await engine.detach(containerId, () => this.#release(box));
      for (const endpoint of box.endpoints)
        this.#parts.onChange?.("disconnect", metAt(endpoint), containerId);
    });
  }

  adopt(running: readonly { readonly wish: SandboxWish; readonly place: SandboxPlace }[]): void {
    const { applier, gateway, hostPorts } = this.#parts;
    for (const { wish, place } of running) {
      const guest = guestOf(wish);
      gateway.adopt(guest.id, place.gatewayAddress, "container");
      hostPorts.adoptContainer(guest.id, place.ports);
      const endpoints = place.endpoints.flatMap((at) => this.#adopted(guest, at));
      const { gatewayAddress } = place;
      this.#boxes.set(guest.id, { guest, gatewayAddress, ports: hostPorts.portsOf(guest.id), endpoints });
    }
    applier.engine.adopt([...this.#boxes.values()].map(rowOf));
    this.#tellBridges();
    applier.engineIsIn();
  }

  /** Networks were made or removed. */
  networksChanged(): void {
    this.#tellBridges();
  }

  #adopted(guest: Guest, at: EndpointPlace): Endpoint[] {
    const wish: NetworkWish = { ref: at.networkId, aliases: at.aliases };
    for (const kind of this.#kinds) {
      const found = kind.adopt(guest, at, wish);
      if (found !== undefined) return [{ ...found, kind, device: at.device }];
    }
    return [];
  }

  async #find(wish: NetworkWish): Promise<{ kind: NetworkKind; network: KnownNetwork }> {
    for (const kind of this.#kinds) {
      const network = await kind.find(wish.ref);
      if (network === undefined) continue;
      kind.check(network, wish);
      return { kind, network };
    }
    throw new Fault("not-found", `network ${wish.ref} not found`);
  }

  /** All or nothing of what a container asks for, in the books; the kernel knows nothing of it yet. */
  async #makeBox(wish: SandboxWish, signal: AbortSignal): Promise<Box> {
    const { gateway } = this.#parts;
    const guest = guestOf(wish);
    const found = await Promise.all(wish.networks.map((network) => this.#find(network)));
    const ports = await this.#portsFor(wish);
    let box: Box = { guest, gatewayAddress: "", ports, endpoints: [] };
    try {
      box = { ...box, gatewayAddress: gateway.give(guest.id, "container") };
      for (const [i, { kind, network }] of found.entries()) {
        if (box.endpoints.some((endpoint) => endpoint.network.id === network.id)) continue;
        const asked = wish.networks[i] ?? { ref: network.id, aliases: [] };
        const joined = await kind.join(network, guest, asked, signal);
        const device = freeDevice(box.endpoints);
        box = { ...box, endpoints: [...box.endpoints, { ...joined, kind, device }] };
      }
      return box;
    } catch (error) {
      this.#release(box);
      throw error;
    }
  }

  async #portsFor({ containerId, name, ports }: SandboxWish): Promise<readonly HostPort[]> {
    const { hostPorts, kernel, applier } = this.#parts;
    if (ports.length === 0) return hostPorts.giveContainer(containerId, []);
    await this.#checkPorts(ports);
    const inUse = new Set(await kernel.portsInUse());
    for (const service of applier.facts().services)
      for (const { protocol, published } of service.ports)
        for (const at of ["", "@*"]) inUse.add(`${protocol}/${published}${at}`);
    try {
      return hostPorts.giveContainer(containerId, ports, inUse);
    } catch (error) {
      // In Docker's words (moby libnetwork/drivers/bridge).
      const { kind, message } = Fault.from(error);
      const what = `driver failed programming external connectivity on endpoint ${name} (${containerId})`;
      throw new Fault(kind, `${what}: ${message}`, { cause: error });
    }
  }

  async #checkPorts(ports: readonly PublishWish[]): Promise<void> {
    const strange = ports.find(({ hostAddress = "" }) => hostAddress.includes(":") && hostAddress !== "::");
    if (strange !== undefined) {
      const what = "ports are published at IPv4 addresses of the host, or at all addresses";
      throw new Fault("unsupported", `cannot publish port at ${strange.hostAddress}: ${what}`);
    }
    const sctp = ports.find(({ protocol }) => protocol === "sctp");
    const lack = sctp === undefined ? "" : await this.#parts.kernel.lackOfSctp();
    if (lack === "") return;
    throw new Fault("unsupported", `cannot publish port ${sctp?.published || sctp?.target}/sctp: ${lack}`);
  }

  /** Makes the box what the kernel has; when it cannot be had, or is not wanted any more, all is as it was before. */
  async #put(box: Box, before: Box | undefined, signal: AbortSignal): Promise<void> {
    const { engine } = this.#parts.applier;
    this.#boxes.set(box.guest.id, box);
    try {
      const attached = engine.attach(rowOf(box));
      this.#tellBridges();
      attached.catch(() => undefined);
      await withDeadline(this.#parts.clock, READY_MS, notReady(box.guest), (late) =>
        withSignal(attached, AbortSignal.any([signal, late])),
      );
    } catch (error) {
      await this.#undo(box, before);
      throw error;
    }
  }

  async #undo(box: Box, before: Box | undefined): Promise<void> {
    const { applier } = this.#parts;
    const { engine } = applier;
    const { id } = box.guest;
    if (before === undefined) {
      this.#boxes.delete(id);
      // What the kernel does not let go of yet is tried again, and freed then; what it has never been told is free at once.
      if (applier.isHeld) engine.withdraw(id, () => this.#release(box));
      else await engine.detach(id, () => this.#release(box)).catch(() => undefined);
      return;
    }
    this.#boxes.set(id, before);
    if (applier.isHeld) engine.adopt([rowOf(before)]);
    else await engine.attach(rowOf(before)).catch(() => undefined);
    for (const endpoint of box.endpoints)
      if (!before.endpoints.includes(endpoint)) endpoint.kind.leave(endpoint.network.id, id);
    this.#tellBridges();
  }

  #release({ guest, endpoints }: Box): void {
    const { gateway, hostPorts } = this.#parts;
    gateway.release(guest.id);
    hostPorts.release(guest.id);
    for (const { kind, network } of endpoints) kind.leave(network.id, guest.id);
    this.#tellBridges();
  }

  #tellBridges(): void {
    this.#parts.applier.setBridges(this.#parts.bridges.facts());
  }

  async #endpointOf({ guest, endpoints }: Box, ref: string): Promise<Endpoint> {
    for (const kind of this.#kinds) {
      const network = await kind.find(ref);
      if (network === undefined) continue;
      const found = endpoints.find((endpoint) => endpoint.network.id === network.id);
      if (found !== undefined) return found;
      throw new Fault("forbidden", `container ${guest.id} is not connected to network ${network.name}`);
    }
    throw new Fault("not-found", `network ${ref} not found`);
  }

  #require(containerId: string): Box {
    const box = this.#boxes.get(containerId);
    if (box === undefined) throw new Fault("conflict", `container ${containerId} is not running`);
    return box;
  }

  #placeOf({ guest, gatewayAddress, ports, endpoints }: Box): SandboxPlace {
    return {
      ...{ netns: this.netnsOf(guest.id), gatewayAddress },
      endpoints: endpoints.map(({ device, place }) => ({ ...place, device })),
      ports: ports.map(publishOf),
      dns: this.#dnsOf(endpoints),
    };
  }

  /** On the first network alone a container asks whom the node asks, unless that is a program of the node's, out of its reach. */
  #dnsOf(endpoints: readonly Endpoint[]): SandboxPlace["dns"] {
    const { upstreams, search } = this.#parts.dns;
    const reachable = upstreams.filter((address) => !/^(127\.|::1$)/.test(address));
    const isNamed = endpoints.length === 0 || endpoints.some(({ named }) => named);
    return isNamed || reachable.length === 0
      ? { nameservers: ["127.0.0.11"], search, options: ["ndots:0"] }
      : { nameservers: reachable, search, options: [] };
  }

  #inTurn<T>(containerId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(containerId) ?? Promise.resolve();
    const turn = before.then(work, work);
    const settled = turn
      .catch(() => undefined)
      .then(() => {
        if (this.#turns.get(containerId) === settled) this.#turns.delete(containerId);
      });
    this.#turns.set(containerId, settled);
    return turn;
  }
}

const metAt = ({ network, kind: { driver } }: Endpoint): MetNetwork => ({ ...network, driver });

const guestOf = ({ containerId: id, name }: SandboxWish): Guest => ({ id, name });

function rowOf({ guest, gatewayAddress, ports, endpoints }: Box): TaskFact {
  const six = Object.assign({}, ...endpoints.map(({ share }) => share.addresses6 ?? {}));
  return {
    ...{ taskId: guest.id, serviceId: "", gatewayAddress },
    addresses: Object.assign({}, ...endpoints.map(({ share }) => share.addresses)),
    ...(Object.keys(six).length > 0 && { addresses6: six }),
    bridges: Object.assign({}, ...endpoints.map(({ share }) => share.bridges ?? {})),
    devices: Object.fromEntries(endpoints.map(({ network, device }) => [network.id, device])),
    hostPorts: ports.map(publishOf),
  };
}

function publishOf({ protocol, published, target, hostAddress }: HostPort): PublishWish & PortFact {
  return { protocol, published, target, ...(hostAddress !== undefined && { hostAddress }) };
}

/** Names that are given stay: the others' devices must not be renamed when one goes. */
function freeDevice(endpoints: readonly Endpoint[]): string {
  const taken = new Set(endpoints.map(({ device }) => device));
  const numbers = Array.from({ length: taken.size + 1 }, (_, i) => `eth${i}`);
  return numbers.find((name) => !taken.has(name)) ?? "";
}

/** Rejects with the signal's reason when it aborts first. */
function withSignal<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => undefined);
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
