import type { Balancer } from "./balancer.ts";
import { ipvsBalancer } from "./ipvs-balancer.ts";
import { nftBalancer } from "./nft-balancer.ts";

/** By the words that users say. */
export const BALANCERS: Readonly<Record<"nftables" | "ipvs", Balancer>> = {
  nftables: nftBalancer,
  ipvs: ipvsBalancer,
};
