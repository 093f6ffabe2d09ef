import { formatTable } from "./nft-text.ts";
import type { Link, Namespace, NodeNetwork, Route, RouteRule } from "./node-network.ts";

/** The whole value as text that a person would like to read, in a canonical order: equal values print equally. */
export function printNodeNetwork(network: NodeNetwork): string {
  const names = Object.keys(network.namespaces).sort();
  return names
    .flatMap((name) => {
      const namespace = network.namespaces[name];
      return namespace === undefined ? [] : [`namespace ${name}\n${printNamespace(namespace)}`];
    })
    .join("\n");
}

function printNamespace(namespace: Namespace): string {
  const lines = [
    ...namespace.links.map(printLink).sort(),
    ...namespace.addresses.map(({ link, address }) => `address ${address} on ${link}`).sort(),
    ...namespace.routes.map(printRoute).sort(),
    ...namespace.rules.map(printRule).sort(),
    ...namespace.neighbours
      .map(({ link, address, mac }) => `neighbour ${address} is ${mac} on ${link}`)
      .sort(),
    ...namespace.fdb.map(({ link, mac, destination }) => `fdb ${mac} is at ${destination} on ${link}`).sort(),
    ...Object.entries(namespace.sysctls)
      .map(([key, value]) => `sysctl ${key} = ${value}`)
      .sort(),
    ...namespace.tables.flatMap((table) => formatTable(table).trimEnd().split("\n")),
  ];
  return lines.map((line) => `  ${line}\n`).join("");
}

function printLink(link: Link): string {
  const { mac, mtu, master } = link;
  const extra = [
    mac === undefined ? "" : ` mac ${mac}`,
    mtu === undefined ? "" : ` mtu ${mtu}`,
    master === undefined ? "" : ` master ${master}`,
  ].join("");
  switch (link.kind) {
    case "veth":
      return `link ${link.name} veth to ${link.peer.name} in ${link.peer.namespace}${extra}`;
    case "vxlan":
      return `link ${link.name} vxlan ${link.vni} from ${link.local} port ${link.port}${extra}`;
    case "bridge":
      return `link ${link.name} bridge${extra}`;
  }
}

function printRoute({ destination, link, via, source, onlink, table }: Route): string {
  return [
    `route ${destination}`,
    via === undefined ? "" : ` via ${via}`,
    ` on ${link}`,
    onlink ? " onlink" : "",
    source === undefined ? "" : ` source ${source}`,
    table === undefined ? "" : ` table ${table}`,
  ].join("");
}

function printRule({ priority, from, mark, table }: RouteRule): string {
  const of = from === undefined ? "" : ` from ${from}`;
  return `rule ${priority}${of}${mark === undefined ? "" : ` mark ${mark}`} table ${table}`;
}
