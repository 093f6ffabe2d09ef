import { type DrainedDestination, describeIpvs, type IpvsOperation } from "./ipvs.ts";
import type {
  Address,
  FdbEntry,
  Link,
  Namespace,
  Neighbour,
  NftTable,
  Route,
  RouteRule,
} from "./node-network.ts";
import { printXfrmPolicy, printXfrmState, type XfrmOperation } from "./xfrm.ts";

/** What was read from the kernel. `tables` are those known to be as the value says. */
export interface ObservedNamespace extends Namespace {
  /** Links that are there but down. */
  readonly down?: readonly string[];
  /** Tables of ours whose content is not known, or not what we made. */
  readonly strange?: readonly TableName[];
  /** Routes that are not ours: the kernel's own for the subnets of addresses, and others'. Known only where they were asked for. */
  readonly otherRoutes?: readonly Route[];
  /** Families whose main routing table no rule leads to any more: the kernel's own rule is gone. */
  readonly unruled?: readonly ("ip" | "ip6")[];
  /** IPVS destinations that get nothing new. */
  readonly drained?: readonly DrainedDestination[];
}

export type TableName = Pick<NftTable, "family" | "name">;

/** What of a link can be changed while it lives. */
export type LinkSetting = "mac" | "mtu" | "master" | "isolated";

/** One step from what a namespace is to what it must be. "put" makes or replaces. */
export type Operation =
  | XfrmOperation
  | { readonly op: "set-sysctl"; readonly key: string; readonly value: string; readonly early: boolean }
  | { readonly op: "put-table"; readonly table: NftTable }
  | { readonly op: "change-table"; readonly from: NftTable; readonly table: NftTable }
  | { readonly op: "remove-table"; readonly table: TableName }
  | { readonly op: "remove-link"; readonly name: string; readonly again: boolean }
  | { readonly op: "add-link"; readonly link: Link }
  | { readonly op: "set-link"; readonly link: Link; readonly changes: readonly LinkSetting[] }
  | { readonly op: "raise-link"; readonly name: string }
  | { readonly op: "remove-address"; readonly address: Address }
  | { readonly op: "put-address"; readonly address: Address }
  | { readonly op: "remove-route"; readonly route: Route }
  | { readonly op: "put-route"; readonly route: Route }
  | { readonly op: "remove-rule"; readonly rule: RouteRule }
  | { readonly op: "put-rule"; readonly rule: RouteRule }
  | { readonly op: "restore-rule"; readonly family: "ip" | "ip6" }
  | { readonly op: "remove-neighbour"; readonly neighbour: Neighbour }
  | { readonly op: "put-neighbour"; readonly neighbour: Neighbour }
  | { readonly op: "remove-fdb"; readonly entry: FdbEntry }
  | { readonly op: "put-fdb"; readonly entry: FdbEntry }
  | IpvsOperation;

/** Of the links that do not come again: by then most are gone, with the namespace of their other end. */
export const LAST_STAGE = 15;
/** After links and namespaces that are not wanted are gone: until then what they send has to be encrypted. */
const AFTER_LINKS = 16;

/**
 * When an operation is due; a node does each stage in all its namespaces before the next, because a veth pair spans two.
 * New tables come before the links they guard, but flow tables after the links they name; a balancer points at a backend only after there
 * is a way to it, and no more before the way is taken away.
 */
const STAGES: Readonly<Record<Operation["op"], (operation: Operation) => number>> = {
  "set-sysctl": (operation) => (operation.op === "set-sysctl" && operation.early ? 0 : 4),
  "put-xfrm-state": () => 0,
  "put-xfrm-policy": () => 1,
  "put-table": (operation) => (operation.op === "put-table" && operation.table.flowtables ? 10 : 1),
  "remove-link": (operation) => (operation.op === "remove-link" && operation.again ? 2 : LAST_STAGE),
  "add-link": () => 3,
  "set-link": () => 3,
  "raise-link": () => 3,
  "remove-address": () => 5,
  "put-address": () => 6,
  "put-neighbour": () => 7,
  "put-fdb": () => 7,
  "put-route": () => 8,
  "put-rule": () => 9,
  "restore-rule": () => 9,
  "set-timeouts": () => 9,
  "put-service": () => 9,
  "put-destination": () => 9,
  "change-table": () => 10,
  "remove-table": () => 11,
  "drain-destination": () => 11,
  "remove-destination": () => 11,
  "remove-service": () => 11,
  "remove-rule": () => 12,
  "remove-route": () => 13,
  "end-draining": () => 13,
  "remove-neighbour": () => 14,
  "remove-fdb": () => 14,
  "remove-xfrm-policy": () => AFTER_LINKS,
  "remove-xfrm-state": () => AFTER_LINKS,
};

export function stageOf(operation: Operation): number {
  return STAGES[operation.op](operation);
}

/** The operation in words, as log lines and plans show it. */
export function describeOperation(operation: Operation): string {
  switch (operation.op) {
    case "set-sysctl":
      return `set ${operation.key} to ${operation.value}`;
    case "put-table":
    case "change-table":
    case "remove-table":
      return `${words(operation.op)} ${operation.table.family} ${operation.table.name}`;
    case "remove-link":
    case "raise-link":
      return `${words(operation.op)} ${operation.name}`;
    case "add-link":
    case "set-link":
      return `${words(operation.op)} ${operation.link.name}`;
    case "remove-address":
    case "put-address":
      return `${words(operation.op)} ${operation.address.address} on ${operation.address.link}`;
    case "remove-route":
    case "put-route":
      return `${words(operation.op)} ${operation.route.destination} by ${operation.route.link}${tableWord(operation.route)}`;
    case "remove-rule":
    case "put-rule":
      return `${words(operation.op)} ${operation.rule.priority} to table ${operation.rule.table}`;
    case "restore-rule":
      return `restore rule to table main of ${operation.family}`;
    case "remove-neighbour":
    case "put-neighbour":
      return `${words(operation.op)} ${operation.neighbour.address} on ${operation.neighbour.link}`;
    case "remove-fdb":
    case "put-fdb":
      return `${words(operation.op)} entry ${operation.entry.mac} on ${operation.entry.link}`;
    case "put-xfrm-state":
    case "remove-xfrm-state":
      return `${words(operation.op)} ${printXfrmState(operation.state)}`;
    case "put-xfrm-policy":
    case "remove-xfrm-policy":
      return `${words(operation.op)} ${printXfrmPolicy(operation.policy)}`;
    default:
      return describeIpvs(operation);
  }
}

const words = (op: Operation["op"]): string => op.replaceAll("-", " ");

function tableWord({ table }: Route): string {
  return table === undefined ? "" : ` in table ${table}`;
}
