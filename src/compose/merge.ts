import {
  type Entry,
  type ListTree,
  type MapTree,
  type ScalarTree,
  type Tree,
  textTree,
  valueAt,
} from "./tree.ts";

/*
 * Two files that speak of one stack. Mappings are merged key by key, lists are appended, all else is replaced; what the
 * specification says otherwise is in the tables here. Paths are keys from the document down; `*` is any.
 */

/** Replaced as a whole. */
const WHOLE: ReadonlySet<string> = new Set([
  "services.*.command",
  "services.*.entrypoint",
  "services.*.healthcheck.test",
]);

/** Lists that say a mapping: `KEY=value`. */
const PAIRS: ReadonlySet<string> = new Set([
  "services.*.environment",
  "services.*.labels",
  "services.*.deploy.labels",
  "services.*.sysctls",
  "services.*.extra_hosts",
  "networks.*.labels",
  "volumes.*.labels",
  "secrets.*.labels",
  "configs.*.labels",
]);

/** Lists of names that say a mapping from a name to nothing. */
const NAMES: ReadonlySet<string> = new Set(["services.*.networks", "services.*.depends_on"]);

/** Lists whose items are known by something: a later one replaces an earlier one of the same key. */
const KEYED: ReadonlyMap<string, (item: Tree) => string | undefined> = new Map([
  ["services.*.ports", portKey],
  ["services.*.volumes", volumeKey],
  ["services.*.secrets", fileKey],
  ["services.*.configs", fileKey],
]);

/** `over` laid upon `base`. What `!reset` names is gone, what `!override` names is replaced. */
export function mergeTrees(base: Tree, over: Tree, path: readonly string[] = []): Tree {
  if (over.tag === "override") return over;
  const rule = pathRule(path);
  if (WHOLE.has(rule)) return over;
  const [under, upon] = asMaps(base, over, rule);
  if (under.kind === "map" && upon.kind === "map") return mergeMaps(under, upon, path);
  if (under.kind === "list" && upon.kind === "list") return mergeLists(under, upon, KEYED.get(rule));
  return upon.kind === "scalar" && upon.value === null && under.kind !== "scalar" ? under : upon;
}

/** Without what `!reset` named. */
export function withoutResets(tree: Tree): Tree {
  if (tree.kind === "scalar") return tree;
  if (tree.kind === "list") {
    return { ...tree, items: tree.items.filter(({ tag }) => tag !== "reset").map(withoutResets) };
  }
  const kept = [...tree.entries].filter(([, { value }]) => value.tag !== "reset");
  return {
    ...tree,
    entries: new Map(kept.map(([key, { at, value }]) => [key, { at, value: withoutResets(value) }])),
  };
}

function pathRule(path: readonly string[]): string {
  return path.map((key, i) => (i === 1 ? "*" : key)).join(".");
}

function asMaps(base: Tree, over: Tree, rule: string): [Tree, Tree] {
  if (base.kind === "scalar" || over.kind === "scalar") return [base, over];
  if (PAIRS.has(rule)) return [pairMap(base), pairMap(over)];
  return NAMES.has(rule) ? [nameMap(base, rule), nameMap(over, rule)] : [base, over];
}

function mergeMaps(base: MapTree, over: MapTree, path: readonly string[]): MapTree {
  const entries = new Map<string, Entry>(base.entries);
  for (const [key, { at, value }] of over.entries) {
    const under = entries.get(key);
    if (value.tag === "reset") entries.delete(key);
    else
      entries.set(key, {
        at,
        value: under === undefined ? value : mergeTrees(under.value, value, [...path, key]),
      });
  }
  return { ...over, entries };
}

function mergeLists(base: ListTree, over: ListTree, keyOf?: (item: Tree) => string | undefined): ListTree {
  if (keyOf === undefined) return { ...over, items: [...base.items, ...over.items] };
  const replaced = new Set(over.items.map(keyOf));
  const kept = base.items.filter((item) => !replaced.has(keyOf(item)));
  return { ...over, items: [...kept, ...over.items] };
}

function pairMap(tree: Tree): Tree {
  if (tree.kind !== "list") return tree;
  const entries = tree.items.map((item): [string, Entry] => {
    const pair = scalarText(item);
    const equals = pair.indexOf("=");
    if (equals < 0) return [pair, { at: item.at, value: nothing(item) }];
    return [pair.slice(0, equals), { at: item.at, value: textTree(item.at, pair.slice(equals + 1)) }];
  });
  return { kind: "map", at: tree.at, entries: new Map(entries) };
}

function nameMap(tree: Tree, rule: string): Tree {
  if (tree.kind !== "list") return tree;
  const entries = tree.items.map((item): [string, Entry] => {
    const value = rule.endsWith("depends_on") ? startedOf(item) : nothing(item);
    return [scalarText(item), { at: item.at, value }];
  });
  return { kind: "map", at: tree.at, entries: new Map(entries) };
}

function startedOf({ at }: Tree): Tree {
  return {
    kind: "map",
    at,
    entries: new Map([["condition", { at, value: textTree(at, "service_started") }]]),
  };
}

const nothing = ({ at }: Tree): ScalarTree => ({ kind: "scalar", at, value: null, source: "" });
const scalarText = (tree: Tree | undefined): string =>
  tree?.kind === "scalar" ? String(tree.value ?? "") : "";

function portKey(item: Tree): string {
  if (item.kind === "scalar") return scalarText(item);
  const part = (key: string, usual = "") => scalarText(valueAt(item, key)) || usual;
  return `${part("published")}:${part("target")}/${part("protocol", "tcp")}`;
}

function volumeKey(item: Tree): string {
  if (item.kind !== "scalar") return scalarText(valueAt(item, "target"));
  const [source = "", target] = scalarText(item).split(":");
  return target ?? source;
}

function fileKey(item: Tree): string {
  if (item.kind === "scalar") return scalarText(item);
  return scalarText(valueAt(item, "target")) || scalarText(valueAt(item, "source"));
}
