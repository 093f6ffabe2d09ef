import { equal, messageOf } from "../lib/index.ts";
import {
  changedDraws,
  changeTable,
  type Draw,
  type NftTable,
  parseRuleset,
  removeTable,
  replaceTable,
  type TableName,
} from "../netstate/index.ts";
import { drawRequests } from "./netlink/draws.ts";
import type { NetlinkSocket } from "./netlink/socket.ts";
import { NftContext } from "./nft-context.ts";
import { NFNL_SUBSYS_NFTABLES, readGeneration } from "./nft-generation.ts";

interface KnownTable {
  readonly table: NftTable;
  /** How nft prints it, once that was asked for and while it was as we made it. */
  readonly listing: string | undefined;
}

/**
 * Our tables in one namespace. While the ruleset's generation is the one that we left, they are as we made them. When others
 * have changed something, nft is asked for its print of each; nft prints in its own words, so the print is compared with an
 * earlier one of a time when all was ours. Every method but `isSettled` has to be called inside the namespace.
 */
export class NftTables {
  readonly #netfilter: NetlinkSocket;
  /** Prefix of the names of our tables. */
  readonly #prefix: string;
  readonly #shared: boolean;
  readonly #known = new Map<string, KnownTable>();
  #context: NftContext | undefined;
  /** The generation at which all known tables were as known; undefined when one may not be. */
  #generation: number | undefined;

  /** `shared`: others often change tables there, so each table is printed as soon as it is made. */
  constructor(netfilter: NetlinkSocket, options: { readonly tag: string; readonly shared: boolean }) {
    this.#netfilter = netfilter;
    this.#prefix = `${options.tag}-`;
    this.#shared = options.shared;
  }

  /** Makes the table, or replaces all of it. */
  put(table: NftTable): void {
    this.#commit(replaceTable(table), table);
  }

  /** Changes what differs, when the table is as `from`; else replaces all of it. */
  change(from: NftTable, table: NftTable): void {
    const draws = this.#isKnown(from) ? changedDraws(from, table) : undefined;
    if (draws !== undefined && this.#draw(draws, table)) return;
    this.#commit(this.#isIntact(from) ? changeTable(from, table) : replaceTable(table), table);
  }

  remove(table: TableName): void {
    this.#commit(removeTable(table), undefined);
    this.#known.delete(keyOf(table));
  }

  /** Our tables that are there: those that are as we made them, and the others. */
  read(): { readonly tables: NftTable[]; readonly strange: TableName[] } {
    const generation = this.#read();
    if (generation !== undefined && generation === this.#generation) {
      this.catchUp();
      return { tables: [...this.#known.values()].map(({ table }) => table), strange: [] };
    }
    const tables: NftTable[] = [];
    const strange: TableName[] = [];
    for (const name of this.#list()) {
      const known = this.#known.get(keyOf(name));
      if (known?.listing !== undefined && this.#print(name) === known.listing) tables.push(known.table);
      else strange.push(name);
    }
    for (const [key, { table }] of this.#known) if (!tables.includes(table)) this.#known.delete(key);
    this.#generation = strange.length === 0 ? generation : undefined;
    return { tables, strange };
  }

  /** Why there can be no flow tables, as half a sentence; "" when there can: one is made, and removed. */
  lackOfFlowTables(): string {
    const probe = probeOf(`${this.#prefix}probe`);
    try {
      this.put(probe);
      this.remove(probe);
      return "";
    } catch (error) {
      return `this kernel has no flow tables (nf_flow_table_inet, nft_flow_offload): ${messageOf(error)}`;
    }
  }

  /** All tables of IP that are there, others' too, as nft prints them. */
  readAll(): NftTable[] {
    return parseRuleset(this.#run("list ruleset"));
  }

  /** Makes the prints that have waited, for the day when the generation does not tell any more. */
  catchUp(): void {
    const missing = [...this.#known].filter(([, { listing }]) => listing === undefined);
    if (missing.length === 0 || !this.isSettled()) return;
    const prints = missing.map(([key, { table }]) => [key, { table, listing: this.#print(table) }] as const);
    // A print that others' work may be in is not kept.
    if (this.isSettled()) for (const [key, known] of prints) this.#known.set(key, known);
  }

  /** Whether the ruleset is as we left it, judged by its generation alone. */
  isSettled(): boolean {
    return this.#generation !== undefined && this.#read() === this.#generation;
  }

  close(): void {
    this.#context?.close();
    this.#context = undefined;
  }

  /** One transaction, after which `table` is known. When somebody else was at work in that moment, nothing is known for sure. */
  #commit(commands: string, table: NftTable | undefined): void {
    const before = this.#read();
    if (commands !== "") this.#run(commands);
    const settled = before !== undefined && before === this.#generation;
    // A print can wait while the generation tells that nobody else was here.
    const later = settled && !this.#shared;
    const listing = table === undefined || later ? undefined : this.#print(table);
    const after = this.#read();
    const alone = before !== undefined && after === before + (commands === "" ? 0 : 1);
    this.#generation = alone && settled ? after : undefined;
    if (table !== undefined) this.#known.set(keyOf(table), { table, listing: alone ? listing : undefined });
  }

  /**
   * What changes with each endpoint is told the kernel straight: libnftables would read the table first. False, and nothing done, when
   * others have changed something since, or the kernel will not.
   */
  #draw(draws: readonly Draw[], table: NftTable): boolean {
    if (this.#shared || this.#generation === undefined || draws.length === 0) return false;
    const requests = drawRequests(table, draws);
    const refusal = this.#netfilter.transact(NFNL_SUBSYS_NFTABLES, this.#generation, requests);
    if (refusal !== undefined) return false;
    const after = this.#read();
    this.#generation = after === this.#generation + 1 ? after : undefined;
    this.#known.set(keyOf(table), { table, listing: undefined });
    return true;
  }

  #isKnown(from: NftTable): boolean {
    const known = this.#known.get(keyOf(from));
    return known !== undefined && equal(known.table, from);
  }

  #isIntact(from: NftTable): boolean {
    const known = this.#known.get(keyOf(from));
    if (known === undefined || !this.#isKnown(from)) return false;
    return this.isSettled() || (known.listing !== undefined && this.#print(from) === known.listing);
  }

  #read(): number | undefined {
    return readGeneration(this.#netfilter);
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
    if (this.#context === undefined || this.#context.closed) this.#context = new NftContext();
    return this.#context.run(commands);
  }
}

/** Hangs at no hook but that of loopback's flow table, which nothing is put in. */
const probeOf = (name: string): NftTable => ({
  ...{ family: "inet", name, sets: [], maps: [] },
  flowtables: [{ name: "ways", devices: ["lo"] }],
  chains: [{ name: "never", rules: ["flow add @ways"] }],
});

const keyOf = ({ family, name }: TableName): string => `${family} ${name}`;
