import type { NftTable } from "../netstate/index.ts";
import { type Asked, readMatch } from "./expressions.ts";

/** What a rule, or the end of a chain, makes of the packet. */
export type Effect =
  | { readonly kind: "next" }
  | { readonly kind: "return" | "accept" }
  | { readonly kind: "drop"; readonly word: "dropped" | "refused" }
  | { readonly kind: "go"; readonly chain: string; readonly comesBack: boolean }
  /** The draw: one of these, by turns. Without any the rule does nothing. */
  | { readonly kind: "to"; readonly targets: readonly Target[] }
  | { readonly kind: "from"; readonly address: string | undefined };

export interface Target {
  readonly address: string;
  /** The port stays when absent. */
  readonly port?: number;
}

export interface Marks {
  readonly mark: number;
  readonly connectionMark: number;
}

export interface RuleOutcome {
  readonly effect: Effect;
  readonly marks: Marks;
  /** The rest of the rule, where it has words that are not read. */
  readonly unread?: string;
}

interface Standing {
  readonly asked: Asked;
  readonly table: NftTable;
  readonly marks: Marks;
}

type Doing = (groups: readonly string[], standing: Standing) => Effect | Marks;

const PAIR = "meta l4proto \\. th dport";

/** The words of statements, as nft prints them. An effect ends the rule; marks do not. */
const STATEMENTS: readonly (readonly [RegExp, Doing])[] = [
  says("accept", () => ({ kind: "accept" })),
  says("drop", () => ({ kind: "drop", word: "dropped" })),
  says("reject.*", () => ({ kind: "drop", word: "refused" })),
  says("return", () => ({ kind: "return" })),
  says("continue", () => ({ kind: "next" })),
  // Later packets of the connection go the way that this one goes.
  says("flow add @\\S+", () => ({ kind: "next" })),
  // Only which connections are told apart depends on it.
  says("ct original zone set \\S+", (_, { marks }) => marks),
  says("(goto|jump) (\\S+)", ([word, chain]) => go(`${word} ${chain}`)),
  says("masquerade.*", () => ({ kind: "from", address: undefined })),
  says("snat (?:ip6? )?to (\\S+)", ([address]) => ({ kind: "from", address: address ?? "" })),
  says(`${PAIR} vmap @([\\w-]+)`, ([map], { asked, table }) => go(lookUp(table, map, pairOf(asked)))),
  says("ip6? daddr vmap @([\\w-]+)", ([map], { asked, table }) =>
    go(lookUp(table, map, asked.packet.destination)),
  ),
  says(`dnat (?:ip6? )?to ${PAIR} map @([\\w-]+)`, ([map], { asked, table }) =>
    to([lookUp(table, map, pairOf(asked))]),
  ),
  says(`dnat ip to ip daddr \\. ${PAIR} map @([\\w-]+)`, ([map], { asked, table }) =>
    to([lookUp(table, map, `${asked.packet.destination} . ${pairOf(asked)}`)]),
  ),
  says("dnat (?:ip6? )?to numgen (?:inc|random) mod \\d+ map \\{ ([^}]*) \\}", ([text]) =>
    to((text ?? "").split(", ").map((element) => element.replace(/^\d+ : /, ""))),
  ),
  says("dnat (?:ip6? )?to (\\S+)", ([address]) => to([address])),
  says("ct mark set ether saddr map @([\\w-]+)", ([map], { asked, table, marks }) => {
    const mark = lookUp(table, map, asked.packet.ethernetSource ?? "");
    return mark === undefined ? { kind: "next" } : { ...marks, connectionMark: Number(mark) };
  }),
  says(`meta mark set ${PAIR} map @([\\w-]+)`, ([map], { asked, table, marks }) =>
    marked(marks, lookUp(table, map, pairOf(asked))),
  ),
  says("meta mark set ip6? daddr map @([\\w-]+)", ([map], { asked, table, marks }) =>
    marked(marks, lookUp(table, map, asked.packet.destination)),
  ),
  says("ct mark set (0x[0-9a-f]+)", ([mark], { marks }) => ({ ...marks, connectionMark: Number(mark) })),
  says("meta mark set ct mark", (_, { marks }) => ({ ...marks, mark: marks.connectionMark })),
  says("meta mark set (0x[0-9a-f]+)", ([mark], { marks }) => ({ ...marks, mark: Number(mark) })),
];

function says(pattern: string, doing: Doing): readonly [RegExp, Doing] {
  return [new RegExp(`^${pattern}(?= |$)`), doing];
}

/** A key that a map does not have ends the rule. */
function marked(marks: Marks, mark: string | undefined): Effect | Marks {
  return mark === undefined ? { kind: "next" } : { ...marks, mark: Number(mark) };
}

/** Does a rule to a packet: the matches and statements from left to right, until one does not hold or ends it. */
export function runRule(rule: string, asked: Asked, table: NftTable): RuleOutcome {
  let marks: Marks = { mark: asked.packet.mark, connectionMark: asked.connectionMark };
  let rest = rule;
  while (rest !== "") {
    const done = runStatement(rest, { asked, table, marks });
    if (done !== undefined) {
      if ("kind" in done.result) return { effect: done.result, marks };
      [marks, rest] = [done.result, done.rest];
      continue;
    }
    const match = readMatch(rest, asked, table);
    if (match === undefined) return { effect: { kind: "next" }, marks, unread: rest };
    if (match.holds !== true) return { effect: { kind: "next" }, marks };
    rest = match.rest;
  }
  return { effect: { kind: "next" }, marks };
}

function runStatement(
  text: string,
  standing: Standing,
): { readonly result: Effect | Marks; readonly rest: string } | undefined {
  for (const [pattern, doing] of STATEMENTS) {
    const found = pattern.exec(text);
    if (found === null) continue;
    return { result: doing(found.slice(1), standing), rest: text.slice(found[0].length).trimStart() };
  }
  return undefined;
}

const pairOf = ({ packet }: Asked): string => `${packet.protocol} . ${packet.port}`;

function lookUp(table: NftTable, name: string | undefined, key: string): string | undefined {
  return table.maps.find((map) => map.name === name)?.elements[key];
}

/** "goto vip-web" as an effect, "accept" and "drop" too; nothing when the map does not have the key. */
function go(verdict: string | undefined): Effect {
  const [word = "", chain = ""] = verdict?.split(" ") ?? [];
  if (word === "goto" || word === "jump") return { kind: "go", chain, comesBack: word === "jump" };
  if (word === "accept" || word === "return") return { kind: word };
  return word === "drop" ? { kind: "drop", word: "dropped" } : { kind: "next" };
}

function to(texts: readonly (string | undefined)[]): Effect {
  const targets = texts.flatMap((text) => targetOf(text) ?? []);
  return targets.length === 0 ? { kind: "next" } : { kind: "to", targets };
}

/** "10.0.1.7", "10.0.1.7:80", "[fd00:1::3]:80" or "10.0.1.7 . 80". */
function targetOf(text: string | undefined): Target | undefined {
  if (text === undefined || text === "") return undefined;
  const [, address = text, port] =
    /^(\S+) \. (\d+)$/.exec(text) ?? /^\[(.*)\]:(\d+)$/.exec(text) ?? /^([\d.]+):(\d+)$/.exec(text) ?? [];
  return { address, ...(port !== undefined && { port: Number(port) }) };
}
