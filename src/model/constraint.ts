import { contains, Fault, parseCidr, parseIpv4, remembered } from "../lib/index.ts";
import type { Node } from "./node.ts";

/** "node.labels.disk==ssd", read. */
export interface Constraint {
  /** As written: label names are case-sensitive, the rest of a key is not. */
  readonly key: string;
  readonly operator: "==" | "!=";
  readonly value: string;
}

/** In the order swarmkit looks for them (manager/constraint/constraint.go, whose rules and words these are). */
const OPERATORS = ["==", "!="] as const;

const KEY_REGEXP = /^[a-z_][a-z0-9\-_.]+$/i;
/** Letters, digits and what a pattern might need; no operator of today or tomorrow. */
const VALUE_REGEXP = /^[a-z0-9:\-_\s.*()?+[\]\\^$|/]+$/i;

const NODE_LABEL = "node.labels.";
const ENGINE_LABEL = "engine.labels.";

/** Two names of one thing: the kernel's and Go's (swarmkit scheduler/filter.go normalizeArch, which forgets arm). */
const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: "amd64", aarch64: "arm64", armv7l: "arm" };

/** What a key says of a node; a node that has not described itself says "". */
const FACTS: Readonly<Record<string, (node: Node) => string>> = {
  "node.id": (node) => node.id,
  "node.hostname": (node) => node.description?.hostname ?? "",
  "node.role": (node) => node.role,
  "node.platform.os": (node) => node.description?.platform.os ?? "",
};

/** Reads one constraint, or throws Fault "invalid" in Swarm's words. A key that nobody knows is read, and met by no node. */
export function parseConstraint(text: string): Constraint {
  const operator = OPERATORS.find((o) => text.includes(o));
  if (operator === undefined) {
    throw new Fault("invalid", `constraint expected one operator from ${OPERATORS.join(", ")}`);
  }
  const at = text.indexOf(operator);
  const key = text.slice(0, at).trim();
  if (!KEY_REGEXP.test(key)) throw new Fault("invalid", `key '${key}' is invalid`);
  const value = text.slice(at + operator.length).trim();
  if (!VALUE_REGEXP.test(value)) throw new Fault("invalid", `value '${value}' is invalid`);
  return { key, operator, value };
}

/** True when the node meets every one. One that cannot be read (the door lets none in) is met by nobody. */
export function meetsAll(constraints: readonly string[], node: Node): boolean {
  if (constraints.length === 0) return true;
  const read = readAll(constraints);
  return read !== "unreadable" && read.every((constraint) => meets(constraint, node));
}

/** Remembered: one list is asked of many nodes. Lists of stored objects never change. */
const readAll = remembered((constraints: readonly string[]): readonly Constraint[] | "unreadable" => {
  try {
    return constraints.map(parseConstraint);
  } catch (error) {
    if (Fault.is(error, "invalid")) return "unreadable";
    throw error;
  }
});

/** True when the node meets it. Values are compared without regard to case; a label that is not there is "". */
export function meets({ key, operator, value }: Constraint, node: Node): boolean {
  const same = isSame(key, value, node);
  return same !== undefined && same === (operator === "==");
}

/** Does the node have this value? Undefined: the question makes no sense, and neither answer to it is met. */
function isSame(key: string, value: string, node: Node): boolean | undefined {
  const word = key.toLowerCase();
  if (word === "node.ip") return hasAddress(value, node.status.address);
  if (word === "node.platform.arch") {
    return normalArchitecture(value) === normalArchitecture(node.description?.platform.architecture ?? "");
  }
  const fact = Object.hasOwn(FACTS, word) ? FACTS[word]?.(node) : labelOf(key, node);
  return fact === undefined ? undefined : fact.toLowerCase() === value.toLowerCase();
}

/** An address, or a block of them. Nodes have IPv4 addresses: one with colons is well-formed, and no node's. */
function hasAddress(value: string, address: string): boolean | undefined {
  const have = parseIpv4(address);
  const one = parseIpv4(value);
  if (one !== undefined) return one === have;
  const block = parseCidr(value);
  if (block !== undefined) return have !== undefined && contains(block, have);
  return value.includes(":") ? false : undefined;
}

/** "amd64" for "x86_64" and the like, in lower case; other names as they are. */
export function normalArchitecture(architecture: string): string {
  const word = architecture.toLowerCase();
  return ARCHITECTURES[word] ?? word;
}

/**
 * The node's value for "node.labels.zone" or "engine.labels.zone", "" when it has none; undefined when the words name no
 * label. Constraints and spread preferences speak of labels alike (swarmkit scheduler/nodeset.go).
 */
export function labelOf(descriptor: string, node: Node): string | undefined {
  if (isUnder(NODE_LABEL, descriptor)) return own(node.spec.labels, descriptor.slice(NODE_LABEL.length));
  if (!isUnder(ENGINE_LABEL, descriptor)) return undefined;
  return own(node.description?.engineLabels ?? {}, descriptor.slice(ENGINE_LABEL.length));
}

/** True for words that a spread preference may be about: "node.labels.zone", "engine.labels.zone". */
export function isSpreadDescriptor(text: string): boolean {
  return isUnder(NODE_LABEL, text) || isUnder(ENGINE_LABEL, text);
}

function isUnder(prefix: string, text: string): boolean {
  return text.length > prefix.length && text.slice(0, prefix.length).toLowerCase() === prefix;
}

function own(labels: Readonly<Record<string, string>>, name: string): string {
  return Object.hasOwn(labels, name) ? (labels[name] ?? "") : "";
}
