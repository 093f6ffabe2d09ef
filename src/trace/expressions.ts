import type { NftTable } from "../netstate/index.ts";
import { isIn } from "./blocks.ts";
import { isIp6, type Packet } from "./packet.ts";

/** What a rule can ask about: the packet, the connection, and where in its way it is. */
export interface Asked {
  readonly packet: Packet;
  /** Undefined for what the host's own routes decide. */
  readonly iif: string | undefined;
  readonly oif: string | undefined;
  readonly connectionMark: number;
  readonly translatesTo: boolean;
  isLocal(address: string): boolean;
  /** Whether the way back to the source is the link by which it came. */
  hasWayBack(): boolean;
}

type Answer = boolean | "unreadable";
type Reader = (groups: readonly string[], asked: Asked, table: NftTable) => Answer;

const VALUE = String.raw`(?:\{ [^}]* \}|@[\w-]+|"[^"]*"|[^\s"{}@]+)`;

/** The words of matches, as nft prints them: what they say of a packet. Anything else is not read. */
const READERS: readonly (readonly [RegExp, Reader])[] = [
  words(`(iifname|oifname|iif|oif) (!= )?(${VALUE})`, ([which, not, value], asked) => {
    const link = which?.startsWith("i") ? asked.iif : asked.oif;
    return turned(
      not,
      valuesOf(value).some((pattern) => matchesLink(link, pattern)),
    );
  }),
  words("(?:ip|ip6) saddr \\. (?:ip|ip6) daddr @([\\w-]+)", ([set], { packet }, table) =>
    elementsOf(table, set).includes(`${packet.source} . ${packet.destination}`),
  ),
  words(`(ip|ip6) (saddr|daddr) (!= )?(${VALUE})`, ([family, which, not, value], { packet }, table) => {
    const address = which === "saddr" ? packet.source : packet.destination;
    if (isIp6(address) !== (family === "ip6")) return false;
    const blocks = value?.startsWith("@") ? elementsOf(table, value.slice(1)) : valuesOf(value);
    return turned(
      not,
      blocks.some((block) => isIn(address, block)),
    );
  }),
  words("meta l4proto \\. th dport @([\\w-]+)", ([set], { packet }, table) =>
    elementsOf(table, set).includes(`${packet.protocol} . ${packet.port}`),
  ),
  words(`(?:meta l4proto|ip protocol|ip6 nexthdr) (!= )?(${VALUE})`, ([not, value], { packet }) =>
    turned(not, valuesOf(value).includes(packet.protocol)),
  ),
  words(`(tcp|udp|sctp|th) dport (!= )?(${VALUE})`, ([protocol, not, value], { packet }, table) => {
    if (protocol !== "th" && protocol !== packet.protocol) return false;
    const ports = value?.startsWith("@") ? elementsOf(table, value.slice(1)) : valuesOf(value);
    return turned(
      not,
      ports.some((range) => holdsPort(range, packet.port)),
    );
  }),
  words("fib daddr type local", (_, { packet, isLocal }) => isLocal(packet.destination)),
  words("fib saddr \\. iif oif 0", (_, asked) => !asked.hasWayBack()),
  words(`ct state (!= )?(${VALUE})`, ([not, value], { packet }) => {
    const state = packet.isReply ? "established" : "new";
    return turned(
      not,
      (value ?? "")
        .replace(/[{}\s]/g, "")
        .split(",")
        .includes(state),
    );
  }),
  words("ct status dnat", (_, { translatesTo }) => translatesTo),
  words("ct direction (original|reply)", ([way], { packet }) => (way === "reply") === packet.isReply),
  words("ct mark (0x[0-9a-f]+)", ([mark], { connectionMark }) => Number(mark) === connectionMark),
  words("(?:meta )?mark (0x[0-9a-f]+)", ([mark], { packet }) => Number(mark) === packet.mark),
  words("counter(?: packets \\d+ bytes \\d+)?", () => true),
  words('comment "[^"]*"', () => true),
];

function words(pattern: string, reader: Reader): readonly [RegExp, Reader] {
  return [new RegExp(`^${pattern}(?= |$)`), reader];
}

const turned = (not: string | undefined, is: boolean): boolean => (not === undefined ? is : !is);

/** The first match of what is left of a rule: what it says, and what comes behind it. Undefined: no match stands there. */
export function readMatch(
  text: string,
  asked: Asked,
  table: NftTable,
): { readonly holds: Answer; readonly rest: string } | undefined {
  for (const [pattern, reader] of READERS) {
    const found = pattern.exec(text);
    if (found === null) continue;
    const rest = text.slice(found[0].length).trimStart();
    return { holds: reader(found.slice(1), asked, table), rest };
  }
  return undefined;
}

/** "{ a, b }", one word, or a name in quotes, as values. */
function valuesOf(value = ""): string[] {
  const inside = value.startsWith("{") ? value.slice(1, -1).split(",") : [value];
  return inside.map((word) => word.trim().replaceAll('"', ""));
}

export function elementsOf(table: NftTable, name = ""): readonly string[] {
  return table.sets.find((set) => set.name === name)?.elements ?? [];
}

function matchesLink(link: string | undefined, pattern: string): boolean {
  if (link === undefined) return false;
  return pattern.endsWith("*") ? link.startsWith(pattern.slice(0, -1)) : link === pattern;
}

function holdsPort(range: string, port: number | undefined): boolean {
  const [first = "", last = first] = range.split("-");
  return port !== undefined && port >= Number(first) && port <= Number(last);
}
