import { equal } from "../lib/index.ts";
import { changeTable, type NftTable, removeTable, replaceTable, type TableName } from "../netstate/index.ts";
import type { NetlinkSocket } from "./netlink/socket.ts";
import { NftContext } from "./nft-context.ts";
import { readGeneration } from "./nft-generation.ts";

interface KnownTable {
  readonly table: NftTable;
  /** How nft printed it when we had just made it. Undefined when somebody else was at work in that moment. */
  readonly listing: string | undefined;
}

/**
 * Our tables in one namespace. nft prints a table in its own words, so equality is judged by what it printed right after
 * we made it; and not even that is read again while the ruleset's generation is the one that we left. Every method has to be
 * called inside the namespace.
 */
export class NftTables {
  readonly #netfilter: NetlinkSocket;
  /** Prefix of the names of our tables. */
  readonly #prefix: string;
  readonly #known = new Map<string, KnownTable>();
  #context: NftContext | undefined;
  /** The generation at which all was as known. */
  #generation: number | undefined;

  constructor(netfilter: NetlinkSocket, tag: string) {
    this.#netfilter = netfilter;
    this.#prefix = `${tag}-`;
  }

  /** Makes the table, or replaces all of it. */
  put(table: NftTable): void {
    this.#commit(table, replaceTable(table));
  }

  /** Changes what differs, when the table is known to be as `from`; else replaces all of it. */
  change(from: NftTable, table: NftTable): void {
    const known = this.#known.get(keyOf(table));
    const delta = known?.listing !== undefined && equal(known.table, from);
    this.#commit(table, delta ? changeTable(from, table) : replaceTable(table));
  }

  remove(table: TableName): void {
    const before = readGeneration(this.#netfilter);
    this.#run(removeTable(table));
    this.#known.delete(keyOf(table));
    this.#settle(before);
  }

  /** Our tables that are there: those that are as we made them, and the others. */
  read(): { readonly tables: NftTable[]; readonly strange: TableName[] } {
    const generation = readGeneration(this.#netfilter);
    if (generation !== undefined && generation === this.#generation)
      return { tables: [...this.#known.values()].map(({ table }) => table), strange: [] };
    const tables: NftTable[] = [];
    const strange: TableName[] = [];
    for (const name of this.#list()) {
      const known = this.#known.get(keyOf(name));
      if (known?.listing !== undefined && this.#print(name) === known.listing) tables.push(known.table);
      else strange.push(name);
    }
    this.#known.forEach(({ table }, key) => {
      if (!tables.includes(table)) this.#known.delete(key);
    });
    this.#generation = strange.length === 0 ? generation : undefined;
    return { tables, strange };
  }

  /** Whether the ruleset is as we left it, judged by its generation alone: may be asked from anywhere. */
  isSettled(): boolean {
    return this.#generation !== undefined && readGeneration(this.#netfilter) === this.#generation;
  }

  close(): void {
    this.#context?.close();
    this.#context = undefined;
  }

  #commit(table: NftTable, commands: string): void {
    const before = readGeneration(this.#netfilter);
    this.#run(commands);
    const listing = this.#print(table);
    const alone = this.#settle(before);
    this.#known.set(keyOf(table), { table, listing: alone ? listing : undefined });
  }

  /** After a transaction of ours: true when nobody else made one meanwhile. */
  #settle(before: number | undefined): boolean {
    const after = readGeneration(this.#netfilter);
    const alone = before !== undefined && after === before + 1;
    this.#generation = alone && this.#generation === before ? after : undefined;
    return alone;
  }

  #list(): TableName[] {
    return [...this.#run("list tables").matchAll(/^table (ip|ip6|inet) (\S+)$/gm)].flatMap((match) => {
      const [, family, name = ""] = match;
      return name.startsWith(this.#prefix) ? [{ family: family as NftTable["family"], name }] : [];
    });
  }

  #print({ family, name }: TableName): string {
    return this.#run(`list table ${family} ${name}`);
  }

  #run(commands: string): string {
    this.#context ??= new NftContext();
    return this.#context.run(commands);
  }
}

const keyOf = ({ family, name }: TableName): string => `${family} ${name}`;
