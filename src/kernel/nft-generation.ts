import { decodeAttributes, readBe32 } from "./netlink/codec.ts";
import type { NetlinkSocket } from "./netlink/socket.ts";

/** linux/netfilter/nfnetlink.h, nf_tables.h: subsystem in the high byte. */
export const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_NEWGEN = (NFNL_SUBSYS_NFTABLES << 8) | 15;
const NFT_MSG_GETGEN = (NFNL_SUBSYS_NFTABLES << 8) | 16;
const NFTA_GEN_ID = 1;
/** struct nfgenmsg: family, version, resource id. */
const NFGENMSG = Buffer.alloc(4);

/** The number of the namespace's ruleset: every committed transaction, whoever makes it, adds one. */
export function readGeneration(netfilter: NetlinkSocket): number | undefined {
  const message = netfilter.find(NFT_MSG_GETGEN, NFGENMSG);
  if (message?.type !== NFT_MSG_NEWGEN) return undefined;
  return readBe32(decodeAttributes(message.body.subarray(4)).get(NFTA_GEN_ID));
}
