import type {
  Address,
  FdbEntry,
  Link,
  Namespace,
  Neighbour,
  NftChain,
  NftMap,
  NftSet,
  NftTable,
  NodeNetwork,
  Route,
  RouteRule,
} from "./node-network.ts";

/** A node's network as text: each namespace under its name, in the words of ip(8), bridge(8), sysctl(8) and nft(8). */
export function printNodeNetwork(network: NodeNetwork): string {
  return Object.entries(network.namespaces)
    .map(([name, namespace]) => `==== ${name} ====\n${printNamespace(namespace)}`)
    .join("\n");
}

/** One namespace as the tools would list it; lists that are empty are left out. Ends with a line feed. */
export function printNamespace(namespace: Namespace): string {
  const sysctls = Object.entries(namespace.sysctls).map(([key, value]) => `${key} = ${value}`);
  const parts = [
    section("ip link", namespace.links.map(printLink)),
    section("ip address", namespace.addresses.map(printAddress)),
    section("ip route", namespace.routes.map(printRoute)),
    section("ip rule", namespace.rules.map(printRule)),
    section("ip neigh", namespace.neighbours.map(printNeighbour)),
    section("bridge fdb", namespace.fdb.map(printFdb)),
    section("sysctl", sysctls),
    section("nft list ruleset", namespace.tables.map(printTable)),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

function section(tool: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : `# ${tool}\n${lines.map((line) => `${line}\n`).join("")}`;
}

export function printLink(link: Link): string {
  return words(link.name, ...kindOf(link), ["mtu", link.mtu], ["mac", link.mac], ["master", link.master]);
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

export function printAddress({ address, link }: Address): string {
  return words(address, ["dev", link]);
}

export function printRoute(route: Route): string {
  return words(
    route.destination,
    ["via", route.via],
    ["dev", route.link],
    ["table", route.table],
    ["src", route.source],
    route.onlink ? "onlink" : undefined,
  );
}

export function printRule({ priority, from, mark, table }: RouteRule): string {
  const fwmark = mark === undefined ? undefined : `0x${mark.toString(16)}`;
  return words(`${priority}:`, ["from", from ?? "all"], ["fwmark", fwmark], ["lookup", table]);
}

export function printNeighbour({ address, link, mac }: Neighbour): string {
  return words(address, ["dev", link], ["lladdr", mac], "PERMANENT");
}

export function printFdb({ mac, link, destination }: FdbEntry): string {
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

/** A table as `nft list table` prints it, which `nft -f` reads. */
export function printTable(table: NftTable): string {
  const blocks = [
    ...table.sets.map(printSet),
    ...table.maps.map(printMap),
    ...table.chains.map(printChain),
  ].map((lines) => lines.map((line) => `\t${line}\n`).join(""));
  return `table ${table.family} ${table.name} {\n${blocks.join("\n")}}`;
}

function printSet({ name, type, flags, elements }: NftSet): string[] {
  return block(`set ${name}`, [`type ${type}`, ...flagsLine(flags), ...elementLines(elements)]);
}

function printMap({ name, key, value, flags, elements }: NftMap): string[] {
  const rows = Object.entries(elements).map(([from, to]) => `${from} : ${to}`);
  return block(`map ${name}`, [`type ${key} : ${value}`, ...flagsLine(flags), ...elementLines(rows)]);
}

function printChain({ name, base, rules }: NftChain): string[] {
  const head =
    base === undefined
      ? []
      : [`type ${base.type} hook ${base.hook} priority ${base.priority}; policy ${base.policy};`];
  return block(`chain ${name}`, [...head, ...rules]);
}

function flagsLine(flags: readonly string[] = []): string[] {
  return flags.length === 0 ? [] : [`flags ${flags.join(",")}`];
}

/** One line when it is short, else one element a line. */
function elementLines(elements: readonly string[]): string[] {
  if (elements.length === 0) return [];
  const line = `elements = { ${elements.join(", ")} }`;
  if (line.length <= 80) return [line];
  return ["elements = {", ...elements.map((element) => `\t${element},`), "}"];
}

function block(head: string, lines: readonly string[]): string[] {
  return [`${head} {`, ...lines.map((line) => `\t${line}`), "}"];
}
