import type {
  AttachmentFact,
  EndpointFact,
  NetworkFact,
  NetworkFacts,
  NodeFact,
  PortFact,
  ServiceFact,
  SideFact,
} from "../../src/dataplane/index.ts";
import type { Subnet } from "../../src/lib/index.ts";

/** A small cluster in words: how many nodes, and who runs where. Networks: ingress 10.0.0.0/24, front 10.0.1.0/24, back 10.0.2.0/24. */
export interface ClusterSketch {
  readonly nodes: number;
  readonly tasks: readonly TaskSketch[];
  readonly services?: readonly ServiceSketch[];
  readonly dataPathPort?: number;
  /** First two bytes of the gateway subnet, "172.18" when absent. */
  readonly gateway?: string;
  /** Nodes have IPv6, and front has fd00:1::/64 with the same last bytes, in decimal digits. */
  readonly dual?: boolean;
  /** Networks are cut into subnets from 0, 16, 32, 64 and 192 up; their IPv6 has one from 0x0, 0x20, 0x40 and 0x80 up. Nodes are in the last. */
  readonly split?: boolean;
}

export interface TaskSketch {
  /** 8 characters or more; the first 8 tell it from others. */
  readonly id: string;
  readonly node: number;
  /** Last byte of its address on every network, and of its gateway address. */
  readonly number: number;
  readonly networks: readonly ("ingress" | "front" | "back")[];
  readonly service?: string;
  /** False: has its addresses, takes no traffic. */
  readonly takes?: boolean;
  readonly hostPorts?: readonly PortFact[];
  /** What its service published when it was made, where that is not what it publishes now. */
  readonly ports?: readonly PortFact[];
}

export interface ServiceSketch {
  readonly id: string;
  /** Last byte of its VIP on these networks. */
  readonly vip: number;
  readonly networks: readonly ("ingress" | "front" | "back")[];
  readonly ports?: readonly PortFact[];
}

const NETWORKS = ["ingress", "front", "back"] as const;
type NetworkName = (typeof NETWORKS)[number];

/** Each with its first address as gateway. */
const sideOf = (prefix: string, ...blocks: readonly (readonly [first: number, bits: number])[]): SideFact => {
  const [side, ...more] = blocks.map(([first, bits]): Subnet => {
    const base = `${prefix}${first}`;
    return { subnet: `${base}/${bits}`, gateway: `${prefix}${first + 1}` };
  });
  if (side === undefined) throw new Error("a network has a subnet");
  return { ...side, ...(more.length > 0 && { more }) };
};

const side4 = (prefix: string, split: boolean): SideFact =>
  split ? sideOf(prefix, [0, 28], [16, 28], [32, 27], [64, 26], [192, 26]) : sideOf(prefix, [0, 24]);

const SIDE6: SideFact = { subnet: "fd00:1::/64", gateway: "fd00:1::1" };
/** Numbers of tasks are read as hex digits here. */
const SPLIT_SIDE6: SideFact = {
  ...{ subnet: "fd00:1::/124", gateway: "fd00:1::1" },
  more: [
    { subnet: "fd00:1::20/124", gateway: "fd00:1::20" },
    { subnet: "fd00:1::40/124", gateway: "fd00:1::40" },
    { subnet: "fd00:1::80/124", gateway: "fd00:1::80" },
  ],
};

const network = (name: NetworkName, dual: boolean, split: boolean): NetworkFact => {
  const third = NETWORKS.indexOf(name);
  return {
    id: `${name}-network`,
    name,
    vni: 4096 + third,
    ...side4(`10.0.${third}.`, split),
    mtu: 1450,
    ingress: name === "ingress",
    internal: false,
    ...(dual && name === "front" && { v6: split ? SPLIT_SIDE6 : SIDE6 }),
  };
};

const addressesOf = (names: readonly NetworkName[], last: number): Record<string, string> =>
  Object.fromEntries(names.map((name) => [`${name}-network`, `10.0.${NETWORKS.indexOf(name)}.${last}`]));

const node = (index: number): NodeFact => ({
  id: `node-${index}`,
  dataPathAddress: `192.168.7.${index}`,
  addresses: addressesOf(NETWORKS, 200 + index),
});

/** On front only: "fd00:1::21". */
const addresses6Of = (names: readonly NetworkName[], last: number): Record<string, string> =>
  names.includes("front") ? { "front-network": `fd00:1::${last}` } : {};

const service = ({ id, vip, networks, ports }: ServiceSketch, dual: boolean): ServiceFact => ({
  id,
  name: id,
  vips: addressesOf(networks, vip),
  ...(dual && { vips6: addresses6Of(networks, vip) }),
  aliases: {},
  ports: ports ?? [],
});

/** What node number `self` (from 1) would be told. */
export function factsOf(sketch: ClusterSketch, self: number): NetworkFacts {
  const dual = sketch.dual ?? false;
  const rows = sketch.tasks.map((task) => ({
    task,
    taskId: task.id,
    serviceId: task.service ?? "none",
    name: task.id,
    nodeId: `node-${task.node}`,
    addresses: addressesOf(task.networks, task.number),
    ...(dual && { addresses6: addresses6Of(task.networks, task.number) }),
  }));
  return {
    self: {
      nodeId: `node-${self}`,
      dataPathAddress: `192.168.7.${self}`,
      gatewaySubnet: `${sketch.gateway ?? "172.18"}.0.0/16`,
      dataPathPort: sketch.dataPathPort ?? 4789,
      ipv6: dual,
    },
    networks: NETWORKS.map((name) => network(name, dual, sketch.split ?? false)),
    nodes: Array.from({ length: sketch.nodes }, (_, i) => node(i + 1)),
    services: (sketch.services ?? []).map((row) => service(row, dual)),
    endpoints: rows
      .filter(({ task }) => task.takes !== false)
      .map(({ task: { ports }, ...row }): EndpointFact => ({ ...row, ...(ports && { ports }) })),
    attachments: rows.map(({ task: _, serviceId: _s, name: _n, ...row }): AttachmentFact => row),
    tasks: rows
      .filter(({ task }) => task.node === self)
      .map(({ task, name: _, nodeId: _n, ...row }) => ({
        ...row,
        gatewayAddress: `${sketch.gateway ?? "172.18"}.0.${task.number}`,
        hostPorts: task.hostPorts ?? [],
      })),
  };
}
