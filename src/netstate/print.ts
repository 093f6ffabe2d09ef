import { printIpvs } from "./ipvs.ts";
import { formatTable } from "./nft-text.ts";
import type {
  Address,
  FdbEntry,
  Link,
  Namespace,
  Neighbour,
  NodeNetwork,
  Route,
  RouteRule,
} from "./node-network.ts";
import { printXfrmPolicy, printXfrmState } from "./xfrm.ts";

/** The whole value as text that a person would like to read, in a canonical order: equal values print equally. */
export function printNodeNetwork({ namespaces }: NodeNetwork): string {
  return Object.entries(namespaces)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, namespace]) => `==== ${name} ====\n${printNamespace(namespace)}`)
    .join("\n");
}

/** One namespace in the words of ip(8), bridge(8), sysctl(8) and nft(8). Lists that are empty are left out. */
export function printNamespace(namespace: Namespace): string {
  const sysctls = Object.entries(namespace.sysctls).map(([key, value]) => `${key} = ${value}`);
  const tables = namespace.tables.map((table) => formatTable(table).trimEnd());
  const parts = [
    section("ip link", namespace.links.map(printLink).sort(byText)),
    section("ip address", namespace.addresses.map(printAddress).sort(byText)),
    section("ip route", namespace.routes.map(printRoute).sort(byText)),
    section("ip rule", namespace.rules.map(printRule).sort(byText)),
    section("ip neigh", namespace.neighbours.map(printNeighbour).sort(byText)),
    section("bridge fdb", namespace.fdb.map(printFdb).sort(byText)),
    section("sysctl", sysctls.sort(byText)),
    section("nft list ruleset", tables),
    section("ip xfrm state", (namespace.xfrm?.states ?? []).map(printXfrmState).sort(byText)),
    section("ip xfrm policy", (namespace.xfrm?.policies ?? []).map(printXfrmPolicy).sort(byText)),
    section("ipvsadm", printIpvs(namespace.ipvs)),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

function section(tool: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : `# ${tool}\n${lines.map((line) => `${line}\n`).join("")}`;
}

function printLink(link: Link): string {
  const port: Word[] = [["master", link.master], ...(link.isolated ? ["isolated"] : [])];
  return words(link.name, ...kindOf(link), ["mtu", link.mtu], ["mac", link.mac], ...port);
}

function kindOf(link: Link): Word[] {
  switch (link.kind) {
    case "bridge":
      return ["bridge"];
    case "veth":
      return ["veth", ["peer", `${link.peer.name}@${link.peer.namespace}`]];
    case "vxlan":
      return ["vxlan", ["id", link.vni], ["local", link.local], ["dstport", link.port], "nolearning"];
  }
}

function printAddress({ address, link }: Address): string {
  return words(address, ["dev", link]);
}

function printRoute(route: Route): string {
  return words(
    route.destination,
    ["via", route.via],
    ["dev", route.link],
    ["table", route.table],
    ["src", route.source],
    route.onlink ? "onlink" : undefined,
  );
}

function printRule({ priority, from, mark, table }: RouteRule): string {
  const fwmark = mark === undefined ? undefined : `0x${mark.toString(16)}`;
  return words(`${priority}:`, ["from", from ?? "all"], ["fwmark", fwmark], ["lookup", table]);
}

function printNeighbour({ address, link, mac }: Neighbour): string {
  return words(address, ["dev", link], ["lladdr", mac], "PERMANENT");
}

function printFdb({ mac, link, destination }: FdbEntry): string {
  return words(mac, ["dev", link], ["dst", destination], "self permanent");
}

type Word = string | undefined | readonly [string, string | number | undefined];

/** Words in a row; a pair whose value is missing is left out with its name. */
function words(...parts: readonly Word[]): string {
  return parts
    .flatMap((part) => {
      if (part === undefined || typeof part === "string") return part ?? [];
      return part[1] === undefined ? [] : part.join(" ");
    })
    .join(" ");
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
