import { attribute, be32, nested, zeroEnded } from "./netlink/codec.ts";
import { expression } from "./netlink/draws.ts";
import { AF_INET, AF_INET6, NLM_F_CREATE } from "./netlink/marks.ts";
import type { NetlinkSocket, Request } from "./netlink/socket.ts";
import { NFNL_SUBSYS_NFTABLES, readGeneration } from "./nft-generation.ts";

/** linux/netfilter/nf_tables.h, netfilter.h */
const NFT_MSG_NEWTABLE = NFNL_SUBSYS_NFTABLES << 8;
const NFT_MSG_DELTABLE = NFT_MSG_NEWTABLE | 2;
const NFT_MSG_NEWCHAIN = NFT_MSG_NEWTABLE | 3;
const NFT_MSG_NEWRULE = NFT_MSG_NEWTABLE | 6;
const NFT_TABLE_F_OWNER = 2;
const NFT_CT_MARK = 3;
const REGISTER_1 = 1;
const NF_INET_POST_ROUTING = 4;
/** "srcnat", nft(8) */
const PRIORITY = 100;
/** What a kernel before 5.12 says to the flag. */
const UNKNOWN: ReadonlySet<number> = new Set([22, 95]);

export type TranslatingFamily = "ip" | "ip6";

const FAMILIES: Readonly<Record<TranslatingFamily, number>> = { ip: AF_INET, ip6: AF_INET6 };

/**
 * The kernel goes on translating the connections that it knows as long as there is any chain of type nat and any rule that asks about
 * connections. Without them their packets end at the namespace itself, which answers TCP with a reset. So beside tables of ours that
 * translate there is one that has both, changes nothing, and cannot be taken away by others: the kernel keeps it for the socket that made it,
 * passes it when somebody flushes the ruleset, and removes it with the socket (nft(8), table flag `owner`). Not for the host's namespace:
 * nft 1.0.6 prints nonsense for the flag in JSON, and there others read it.
 */
export class TranslationKeeper {
  readonly #netfilter: NetlinkSocket;
  readonly #table: string;
  readonly #kept = new Set<TranslatingFamily>();
  #unknown = false;

  constructor(netfilter: NetlinkSocket, table: string) {
    this.#netfilter = netfilter;
    this.#table = table;
  }

  /** The generation that this has led to; undefined when there was nothing to do, or it was refused: then the next call tries again. */
  keep(family: TranslatingFamily): number | undefined {
    if (this.#kept.has(family) || this.#unknown) return undefined;
    const table = attribute(1, zeroEnded(this.#table));
    const hook = nested(4, attribute(1, be32(NF_INET_POST_ROUTING)), attribute(2, be32(PRIORITY)));
    const chain = zeroEnded("keep");
    const generation = this.#transact(
      ask(NFT_MSG_NEWTABLE, family, table, attribute(2, be32(NFT_TABLE_F_OWNER))),
      ask(NFT_MSG_NEWCHAIN, family, table, attribute(3, chain), hook, attribute(7, zeroEnded("nat"))),
      ask(NFT_MSG_NEWRULE, family, table, attribute(2, chain), nested(4, ...ANY_CONNECTION)),
    );
    if (generation !== undefined) this.#kept.add(family);
    return generation;
  }

  /** As `keep`. */
  letGo(family: TranslatingFamily): number | undefined {
    if (!this.#kept.delete(family)) return undefined;
    return this.#transact(ask(NFT_MSG_DELTABLE, family, attribute(1, zeroEnded(this.#table))));
  }

  #transact(...requests: readonly Request[]): number | undefined {
    const before = readGeneration(this.#netfilter);
    if (before === undefined) return undefined;
    const refusal = this.#netfilter.transact(NFNL_SUBSYS_NFTABLES, before, requests);
    if (refusal) console.log("REFUSED", before, refusal);
    this.#unknown ||= refusal !== undefined && UNKNOWN.has(refusal.errno);
    return refusal === undefined ? before + 1 : undefined;
  }
}

/** `ct mark 0x0`, and no verdict. */
const ANY_CONNECTION: readonly Buffer[] = [
  expression("ct", [attribute(2, be32(NFT_CT_MARK)), attribute(1, be32(REGISTER_1))]),
  expression("cmp", [
    attribute(1, be32(REGISTER_1)),
    attribute(2, be32(0)),
    nested(3, attribute(1, Buffer.alloc(4))),
  ]),
];

const ask = (type: number, family: TranslatingFamily, ...attributes: readonly Buffer[]): Request => ({
  type,
  flags: type === NFT_MSG_DELTABLE ? 0 : NLM_F_CREATE,
  body: [Buffer.from([FAMILIES[family], 0, 0, 0]), ...attributes],
});
