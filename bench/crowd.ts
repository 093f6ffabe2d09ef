import type { EndpointFact, NodeFact, ServiceFact } from "../src/dataplane/index.ts";

/** Facts of a node with many services, as rows that a manager sends. */

/** Tasks of the first service; the others have two each. */
export const BACKENDS = 1_000;
const NODES = 10;

export const self = {
  nodeId: "n0",
  dataPathAddress: "192.168.7.1",
  gatewaySubnet: "172.18.0.0/16",
  dataPathPort: 4789,
};
const ingress = { id: "ing", name: "ingress", vni: 4096, subnet: "10.0.0.0/16", gateway: "10.0.0.1" };
const app = { id: "app", name: "app", vni: 4097, subnet: "10.1.0.0/16", gateway: "10.1.0.1" };
const rest = { mtu: 1450, internal: false };
const networks = [
  { ...ingress, ...rest, ingress: true },
  { ...app, ...rest, ingress: false },
];

export type Row = readonly [key: string, value: unknown];

const at = (net: number, index: number): string => `10.${net}.${index >> 8}.${index & 255}`;

function nodeOf(i: number): NodeFact {
  return {
    id: `n${i}`,
    dataPathAddress: `192.168.7.${i + 1}`,
    addresses: { ing: at(0, 2 + i), app: at(1, 2 + i) },
  };
}

/** The first has a VIP and, when `published`, a port; so have the others, each. */
function serviceOf(i: number, published: boolean): ServiceFact {
  const ports = published ? [{ protocol: "tcp" as const, published: 10_000 + i, target: 80 }] : [];
  const vips = { app: at(1, 256 + i), ...(published && { ing: at(0, 256 + i) }) };
  return { id: `s${i}`, name: `service-${i}`, vips, aliases: {}, ports };
}

function taskOf(task: number, service: number): EndpointFact {
  const addresses = { ing: at(0, 8_192 + task), app: at(1, 8_192 + task) };
  return {
    ...{ taskId: `task${task}`, serviceId: `s${service}`, name: `service-${service}.${task}` },
    ...{ nodeId: `n${1 + (task % (NODES - 1))}`, addresses },
  };
}

/** Both rows of a task that can take traffic. */
export function taskRows(task: number, service: number): Row[] {
  const { taskId, nodeId, addresses, ...words } = taskOf(task, service);
  return [
    [`endpoint/${taskId}`, { taskId, nodeId, addresses, ...words }],
    [`attachment/${taskId}`, { taskId, nodeId, addresses }],
  ];
}

/** Everything that a node on both networks is told, with this many services beside the first. */
export function cluster(others: number, published: boolean): Row[] {
  return [
    ...networks.map((network): Row => [`network/${network.id}`, network]),
    ...Array.from({ length: NODES }, (_, i): Row => [`node/n${i}`, nodeOf(i)]),
    ...Array.from({ length: others + 1 }, (_, i): Row => [`service/s${i}`, serviceOf(i, published)]),
    ...Array.from({ length: BACKENDS }, (_, i) => taskRows(i, 0)).flat(),
    ...Array.from({ length: 2 * others }, (_, i) => taskRows(BACKENDS + i, 1 + (i >> 1))).flat(),
  ];
}
