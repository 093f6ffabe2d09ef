import { type Clock, Fault, type Random, randomHex } from "../lib/index.ts";
import type { BridgeSpec } from "../model/index.ts";
import { type BridgeNetwork, planBridge, type Taken } from "./bridge-plan.ts";

/** Docker's first network, which containers are on that name none. */
export const DEFAULT_BRIDGE = "bridge";

/** Where a node keeps its own networks. */
export interface SavedNetworks {
  /** What was saved last; undefined on a new node. Throws when it cannot be read. */
  load(): string | undefined;
  /** Throws when it cannot be kept. */
  save(text: string): void;
}

export interface LocalNetworksParts {
  readonly file: SavedNetworks;
  /** What is taken by others, now. */
  taken(): Taken;
  /** Subnet and gateway of the first network, as configured; chosen when absent: "172.17.0.1/16". */
  readonly bip?: string;
  readonly clock: Clock;
  readonly random: Random;
}

const DEFAULT_SPEC: BridgeSpec = {
  name: DEFAULT_BRIDGE,
  labels: {},
  // As Docker shows its own, whose bridge is called docker0.
  options: {
    "com.docker.network.bridge.default_bridge": "true",
    "com.docker.network.bridge.enable_icc": "true",
    "com.docker.network.bridge.enable_ip_masquerade": "true",
    "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
    "com.docker.network.driver.mtu": "1500",
  },
  internal: false,
  attachable: false,
  ipv6: false,
  ipam: [],
};

/** The bridge networks of this node: the first one, which came with it, and those that users made. Kept on disk. */
export class LocalNetworks {
  readonly #parts: LocalNetworksParts;
  #all: readonly BridgeNetwork[];

  /** Fault "internal" when what is on disk cannot be read. */
  constructor(parts: LocalNetworksParts) {
    this.#parts = parts;
    this.#all = read(parts.file);
    const first = this.#all.find(isDefault);
    const spec = parts.bip === undefined ? DEFAULT_SPEC : withBip(parts.bip);
    if (first !== undefined && (parts.bip === undefined || equalIpam(first.spec, spec))) return;
    this.#all = this.#all.filter((network) => !isDefault(network));
    // With other words it is still the same network.
    this.#add(spec, first);
  }

  list(): readonly BridgeNetwork[] {
    return this.#all;
  }

  get(id: string): BridgeNetwork | undefined {
    return this.#all.find((network) => network.id === id);
  }

  /** By id, else by name, else by a unique beginning of the id. Fault "invalid" when several begin so. */
  find(ref: string): BridgeNetwork | undefined {
    const exact = this.get(ref) ?? this.#all.find(({ spec }) => spec.name === ref);
    if (exact !== undefined || ref === "") return exact;
    const found = this.#all.filter(({ id }) => id.startsWith(ref));
    if (found.length > 1)
      throw new Fault("invalid", `network ${ref} is ambiguous (${found.length} matches found on ID prefix)`);
    return found[0];
  }

  /** Faults: "exists" for a taken name, and as `planBridge`. Nothing is made when it cannot be kept. */
  create(spec: BridgeSpec): BridgeNetwork {
    if (this.#all.some((network) => network.spec.name === spec.name))
      throw new Fault("exists", `network with name ${spec.name} already exists`);
    return this.#add(spec);
  }

  remove(id: string): void {
    this.#keep(this.#all.filter((network) => network.id !== id));
  }

  #add(spec: BridgeSpec, before?: BridgeNetwork): BridgeNetwork {
    const { clock, random } = this.#parts;
    const { id, createdAt } = before ?? { id: randomHex(random, 32), createdAt: clock.now() };
    const { networks, elsewhere } = this.#parts.taken();
    const own = this.#all.flatMap(({ subnet, v6 }) => (v6 === undefined ? [subnet] : [subnet, v6.subnet]));
    const taken = { networks: [...networks, ...own], elsewhere };
    const made = planBridge(spec, { id, createdAt, taken });
    this.#keep([...this.#all, made]);
    return made;
  }

  #keep(all: readonly BridgeNetwork[]): void {
    this.#parts.file.save(JSON.stringify({ version: 1, networks: all }));
    this.#all = all;
  }
}

export const isDefault = ({ spec }: BridgeNetwork): boolean => spec.name === DEFAULT_BRIDGE;

function read(file: SavedNetworks): readonly BridgeNetwork[] {
  try {
    const text = file.load();
    return text === undefined ? [] : (JSON.parse(text) as { networks: readonly BridgeNetwork[] }).networks;
  } catch (cause) {
    throw new Fault("internal", "cannot read this node's networks", { cause });
  }
}

function withBip(bip: string): BridgeSpec {
  return { ...DEFAULT_SPEC, ipam: [{ subnet: bip, gateway: bip.split("/")[0] ?? "" }] };
}

function equalIpam(a: BridgeSpec, b: BridgeSpec): boolean {
  return JSON.stringify(a.ipam) === JSON.stringify(b.ipam);
}
