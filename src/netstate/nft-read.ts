import type { NftChain, NftMap, NftSet, NftTable } from "./node-network.ts";

type Base = NonNullable<NftChain["base"]>;

const HOOKS: ReadonlySet<string> = new Set(["prerouting", "input", "forward", "output", "postrouting"]);
const BASE = /^type (filter|nat|route) hook (\w+) priority ([^;]+);(?: policy (accept|drop);)?/;

interface Block {
  readonly head: string;
  readonly lines: readonly string[];
}

/**
 * The tables of `nft list ruleset`, others' too, as values: those of IP (families ip, ip6, inet), each rule as one line of nft's own words.
 * What a value has no words for (counters, meters, time-outs of elements) is left out.
 */
export function parseRuleset(text: string): NftTable[] {
  const tables: NftTable[] = [];
  for (const { head, lines } of blocksOf(text.split("\n"), "")) {
    const [, family, name = ""] = /^table (ip|ip6|inet) (\S+)$/.exec(head) ?? [];
    if (family === undefined) continue;
    const blocks = blocksOf(lines, "\t");
    tables.push({
      family: family as NftTable["family"],
      name,
      sets: blocks.flatMap(setOf),
      maps: blocks.flatMap(mapOf),
      chains: blocks.flatMap(chainOf),
    });
  }
  return tables;
}

/** "head {" … "}" at one depth of nft's tabs. */
function blocksOf(lines: readonly string[], tabs: string): Block[] {
  const blocks: Block[] = [];
  let inside: { head: string; lines: string[] } | undefined;
  for (const line of lines) {
    if (inside === undefined) {
      const head = line.startsWith(tabs) ? /^(\S.*) \{/.exec(line.slice(tabs.length))?.[1] : undefined;
      if (head !== undefined) inside = { head, lines: [] };
    } else if (line === `${tabs}}`) {
      blocks.push(inside);
      inside = undefined;
    } else inside.lines.push(line);
  }
  return blocks;
}

function chainOf({ head, lines }: Block): NftChain[] {
  const name = /^chain (\S+)$/.exec(head)?.[1];
  if (name === undefined) return [];
  const words = lines.map((line) => line.trim()).filter((line) => line !== "");
  const base = baseOf(words[0] ?? "");
  const isHead = (line: string) => /^(?:type \w+ hook|comment ")/.test(line);
  return [
    { name, ...(base !== undefined && { base }), rules: words.filter((line, i) => i > 1 || !isHead(line)) },
  ];
}

function baseOf(line: string): Base | undefined {
  const [, type, hook = "", priority = "", policy = "accept"] = BASE.exec(line) ?? [];
  if (type === undefined || !HOOKS.has(hook)) return undefined;
  return {
    type: type as Base["type"],
    hook: hook as Base["hook"],
    priority: priority.trim(),
    policy: policy as Base["policy"],
  };
}

function setOf({ head, lines }: Block): NftSet[] {
  const name = /^set (\S+)$/.exec(head)?.[1];
  if (name === undefined) return [];
  return [{ name, type: lineAfter("type ", lines) ?? "", elements: elementsOf(lines) }];
}

function mapOf({ head, lines }: Block): NftMap[] {
  const name = /^map (\S+)$/.exec(head)?.[1];
  if (name === undefined) return [];
  const [key = "", value = ""] = (lineAfter("type ", lines) ?? "").split(" : ");
  const elements = elementsOf(lines).map((element): [string, string] => {
    const at = element.indexOf(" : ");
    return [element.slice(0, at), element.slice(at + 3)];
  });
  return [{ name, key, value, elements: Object.fromEntries(elements) }];
}

function lineAfter(word: string, lines: readonly string[]): string | undefined {
  return lines
    .map((line) => line.trim())
    .find((line) => line.startsWith(word))
    ?.slice(word.length);
}

/** "elements = { a, b," and as many more lines as nft needs. */
function elementsOf(lines: readonly string[]): string[] {
  const text = lines.map((line) => line.trim()).join(" ");
  const inside = /elements = \{ (.*) \}/.exec(text)?.[1];
  return inside === undefined ? [] : inside.split(/,\s*/).map((element) => element.trim());
}
