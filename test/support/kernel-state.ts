import { existsSync, readdirSync } from "node:fs";
import { execOk } from "../../src/sys/index.ts";
import type { TestHost } from "./netns.ts";

/**
 * What the kernel's own tools say of a host and its pinned namespaces: ip, bridge and nft, as JSON, without numbers that
 * differ between two makings of the same (indexes, handles, counters, ages). Shares no code with src/kernel.
 */
export type KernelState = Readonly<Record<string, readonly string[]>>;

type Row = Readonly<Record<string, unknown>>;

/** One process each for all that rtnetlink knows of either family, and of both. */
const LOOK = `
  printf '%s\\n' 'link show' 'address show' 'neighbour show nud permanent' | ip -j -d -batch -
  for family in -4 -6; do
    printf '%s\\n' 'route show table all' 'rule show' | ip "$family" -j -d -batch -
  done
  bridge -j fdb
  nft -j list ruleset
`;

/** Of all of the host's namespaces, by name. In the host's own only what bears the tag: the rest is others'. */
export async function kernelState(host: TestHost, tag = "sh"): Promise<KernelState> {
  const pinned = existsSync(host.folder) ? readdirSync(host.folder).sort() : [];
  const state: Record<string, readonly string[]> = { host: await stateOf(host, undefined, tag) };
  for (const name of pinned) state[name] = await stateOf(host, name, tag);
  return state;
}

async function stateOf(host: TestHost, pinned: string | undefined, tag: string): Promise<string[]> {
  const run = ["nsenter", `--net=${host.path(pinned)}`, "--", "sh", "-ec", LOOK] as const;
  const documents = documentsOf(await execOk(run));
  const shared = pinned === undefined;
  const mine = (text: string) => !shared || text.includes(`${tag}-`);
  const lines = documents.flatMap((document) => linesOf(document));
  return lines.filter((line) => mine(line)).sort();
}

/** Each JSON document stands on a line of its own, or runs over several. */
function documentsOf(text: string): unknown[] {
  const found: unknown[] = [];
  let open = "";
  for (const line of text.split("\n")) {
    open += line;
    if (open.trim() === "") continue;
    try {
      found.push(JSON.parse(open));
      open = "";
    } catch {
      open += "\n";
    }
  }
  if (open.trim() !== "") throw new Error(`cannot read the kernel's state: ${open.slice(0, 200)}`);
  return found;
}

function linesOf(document: unknown): string[] {
  if (Array.isArray(document)) return document.flatMap((row: Row) => rowLines(row));
  const { nftables } = document as { nftables: readonly Row[] };
  return nftLines(nftables);
}

/** Learned entries come and go. */
function rowLines(row: Row): string[] {
  if ("addr_info" in row) return addressLines(row);
  if ("ifname" in row && "linkinfo" in row) return [linkLine(row)];
  if ("ifname" in row && "mac" in row)
    return "dst" in row ? [lineOf("fdb", row, ["ifname", "mac", "dst"])] : [];
  // The kernel's rule to the table "default", which is always empty.
  if (row["table"] === "default") return [];
  if ("priority" in row) return [lineOf("rule", row, ["priority", "src", "srclen", "fwmark", "table"])];
  if ("lladdr" in row) return [lineOf("neighbour", row, ["dst", "dev", "lladdr"])];
  if ("dst" in row && row["protocol"] !== "kernel" && row["protocol"] !== "ra")
    return [lineOf("route", row, ["type", "dst", "gateway", "dev", "table", "prefsrc", "flags"])];
  return [];
}

function linkLine(row: Row): string {
  const { info_kind: kind, info_data: data } = row["linkinfo"] as { info_kind?: string; info_data?: Row };
  const tunnel = kind === "vxlan" ? lineOf("", data ?? {}, ["id", "local", "port", "learning"]) : "";
  const up = (row["flags"] as readonly string[]).includes("UP");
  // A bridge's own address is the kernel's choice.
  const keys = ["ifname", ...(kind === "bridge" ? [] : ["address"]), "mtu", "master", "group"];
  return `${lineOf("link", row, keys)} ${kind} ${up} ${tunnel}`;
}

/** Without those of the link's own scope, which the kernel makes of the MAC. */
function addressLines(row: Row): string[] {
  return (row["addr_info"] as readonly Row[])
    .filter(({ scope }) => scope !== "link")
    .map((info) => `address ${String(row["ifname"])} ${String(info["local"])}/${String(info["prefixlen"])}`);
}

/** Rules are numbered in their chain: their order counts. The order of all else does not. */
function nftLines(rows: readonly Row[]): string[] {
  const next = new Map<string, number>();
  return rows.flatMap((row) => {
    const [[kind, value] = ["", {}]] = Object.entries(row);
    if (kind === "metainfo") return [];
    const { handle: _, ...words } = value as Row;
    if (kind !== "rule") return [`nft ${kind} ${stable(sortElements(words))}`];
    const chain = `${words["family"]} ${words["table"]} ${words["chain"]}`;
    const number = next.get(chain) ?? 0;
    next.set(chain, number + 1);
    return [`nft rule ${number} ${stable(words)}`];
  });
}

function sortElements(words: Row): Row {
  const { elem } = words;
  return Array.isArray(elem) ? { ...words, elem: elem.map(stable).sort() } : words;
}

const stable = (value: unknown): string => JSON.stringify(value);

const lineOf = (kind: string, row: Row, keys: readonly string[]): string =>
  [kind, ...keys.map((key) => `${key}=${stable(row[key]) ?? ""}`)].join(" ");
