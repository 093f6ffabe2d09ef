/**
 * netstate: the words of kernel networking as values (NodeNetwork), their print, and the difference of two of them.
 * It never calls the kernel and knows no service.
 */
export { findClash } from "./clash.ts";
export { diffNamespace, linkOfSysctl, lostLinks, withoutLostLinks } from "./diff.ts";
export {
  type DrainedDestination,
  destinationKey,
  hexMark,
  type Ipvs,
  type IpvsDestination,
  type IpvsOperation,
  type IpvsService,
  type IpvsTimeouts,
} from "./ipvs.ts";
export { changedDraws, type Draw } from "./nft-draw.ts";
export { parseRuleset } from "./nft-read.ts";
export { changeTable, formatTable, removeTable, replaceTable } from "./nft-text.ts";
export * from "./node-network.ts";
export * from "./operations.ts";
export { printNamespace, printNodeNetwork } from "./print.ts";
export { type StaleConnections, staleConnections } from "./stale.ts";
export { changedXfrm, type Xfrm, type XfrmOperation, type XfrmPolicy, type XfrmState } from "./xfrm.ts";
