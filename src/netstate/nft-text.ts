import { equal } from "../lib/index.ts";
import type { NftChain, NftFlowtable, NftMap, NftSet, NftTable } from "./node-network.ts";
import type { TableName } from "./operations.ts";

/** A table as nft(8) reads it. */
export function formatTable(table: NftTable): string {
  const blocks = [
    ...table.sets.map(formatSet),
    ...table.maps.map(formatMap),
    ...(table.flowtables ?? []).map(formatFlowtable),
    ...table.chains.map(formatChain),
  ];
  return [`table ${table.family} ${table.name} {`, ...blocks.map((lines) => indent(lines)), "}", ""].join(
    "\n",
  );
}

/** The commands that make the table be exactly this, in one transaction. nft before 1.0.7 has no `destroy`: add, then delete. */
export function replaceTable(table: NftTable): string {
  return `${removeTable(table)}${formatTable(table)}`;
}

/** The commands that remove the table, whether or not it is there. */
export function removeTable({ family, name }: TableName): string {
  return `add table ${family} ${name}\ndelete table ${family} ${name}\n`;
}

/**
 * The commands that make `from` into `to`, touching only what differs: elements, and rules of the chains that changed. When
 * a set's type, a flow table or a base chain differs, the whole table is replaced.
 */
export function changeTable(from: NftTable, to: NftTable): string {
  if (!sameSkeleton(from, to)) return replaceTable(to);
  const at = `${to.family} ${to.name}`;
  const chains = new Map(from.chains.map((chain) => [chain.name, chain]));
  const kept = new Set(to.chains.map((chain) => chain.name));
  const added = to.chains.filter((chain) => !chains.has(chain.name));
  const changed = to.chains.filter((chain) => !equal(chains.get(chain.name)?.rules ?? [], chain.rules));
  const gone = from.chains.filter((chain) => !kept.has(chain.name));
  const lines = [
    ...added.map((chain) => `add chain ${at} ${chain.name}`),
    ...differing(from.sets, to.sets).flatMap(([a, b]) =>
      changeElements(at, setElements(a), setElements(b), b.name),
    ),
    ...differing(from.maps, to.maps).flatMap(([a, b]) =>
      changeElements(at, mapElements(a), mapElements(b), b.name),
    ),
    ...changed.map((chain) => `flush chain ${at} ${chain.name}`),
    ...changed.flatMap((chain) => chain.rules.map((rule) => `add rule ${at} ${chain.name} ${rule}`)),
    ...gone.map((chain) => `flush chain ${at} ${chain.name}`),
    ...gone.map((chain) => `delete chain ${at} ${chain.name}`),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** Everything but elements, rules and chains that only other rules name. */
function sameSkeleton(from: NftTable, to: NftTable): boolean {
  const bones = (table: NftTable) => ({
    sets: table.sets.map(({ elements: _, ...rest }) => rest),
    maps: table.maps.map(({ elements: _, ...rest }) => rest),
    flowtables: table.flowtables ?? [],
    base: table.chains.flatMap(({ name, base }) => (base === undefined ? [] : [{ name, base }])),
  });
  const ranges = [...from.sets, ...from.maps].some((set) => set.flags?.includes("interval"));
  return !ranges && equal(bones(from), bones(to)) && !changesKind(from.chains, to.chains);
}

function changesKind(from: readonly NftChain[], to: readonly NftChain[]): boolean {
  const based = new Map(from.map((chain) => [chain.name, chain.base !== undefined]));
  return to.some((chain) => (based.get(chain.name) ?? false) !== (chain.base !== undefined));
}

/** Pairs of the same name that are not the same: names are in the same order, as the skeletons are equal. */
function differing<T>(from: readonly T[], to: readonly T[]): [T, T][] {
  return to.flatMap((b, i): [T, T][] => {
    const a = from[i];
    return a === undefined || equal(a, b) ? [] : [[a, b]];
  });
}

function changeElements(
  at: string,
  from: ReadonlyMap<string, string>,
  to: ReadonlyMap<string, string>,
  name: string,
): string[] {
  const gone = [...from].filter(([key, text]) => to.get(key) !== text).map(([key]) => key);
  const fresh = [...to].filter(([key, text]) => from.get(key) !== text).map(([, text]) => text);
  return [
    ...(gone.length > 0 ? [`delete element ${at} ${name} { ${gone.join(", ")} }`] : []),
    ...(fresh.length > 0 ? [`add element ${at} ${name} { ${fresh.join(", ")} }`] : []),
  ];
}

/** Key to the element's text. */
function setElements(set: NftSet): Map<string, string> {
  return new Map(set.elements.map((element) => [element, element]));
}

function mapElements(map: NftMap): Map<string, string> {
  return new Map(Object.entries(map.elements).map(([key, value]) => [key, `${key} : ${value}`]));
}

function formatSet(set: NftSet): string[] {
  return block(`set ${set.name}`, [`type ${set.type}`, ...flagsOf(set), ...elementsOf(setElements(set))]);
}

function formatMap(map: NftMap): string[] {
  const type = `type ${map.key} : ${map.value}`;
  return block(`map ${map.name}`, [type, ...flagsOf(map), ...elementsOf(mapElements(map))]);
}

function formatFlowtable({ name, devices }: NftFlowtable): string[] {
  const ours = `devices = { ${devices.join(", ")} };`;
  return block(`flowtable ${name}`, ["hook ingress priority filter;", ours]);
}

function formatChain({ name, base, rules }: NftChain): string[] {
  const head =
    base === undefined
      ? []
      : [`type ${base.type} hook ${base.hook} priority ${base.priority}; policy ${base.policy};`];
  return block(`chain ${name}`, [...head, ...rules]);
}

function flagsOf({ flags }: { readonly flags?: readonly string[] }): string[] {
  return flags === undefined || flags.length === 0 ? [] : [`flags ${flags.join(", ")}`];
}

function elementsOf(elements: ReadonlyMap<string, string>): string[] {
  return elements.size === 0 ? [] : [`elements = { ${[...elements.values()].join(", ")} }`];
}

function block(head: string, lines: readonly string[]): string[] {
  return [`${head} {`, ...lines.map((line) => `  ${line}`), "}"];
}

const indent = (lines: readonly string[]): string => lines.map((line) => `  ${line}`).join("\n");
