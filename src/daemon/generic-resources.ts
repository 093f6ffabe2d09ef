import { Fault } from "../lib/index.ts";
import type { GenericResource } from "../model/index.ts";

const NUMBER_REGEXP = /^[+-]?\d+$/;

/**
 * What a node says it has of things that only its owner knows: ["fpga=2"] is a number of them, ["gpu=uuid-1",
 * "gpu=uuid-2"] is a set of names. Throws Fault "invalid" in Docker's words (swarmkit api/genericresource/parse.go).
 */
export function parseGenericResources(terms: readonly string[]): GenericResource[] {
  const byKind = new Map<string, string[]>();
  for (const term of terms) {
    const [kind, value, ...more] = term.split("=").map((part) => part.trim());
    if (kind === undefined || value === undefined || more.length > 0) {
      throw unreadable(`incorrect term ${term}, missing '=' or malformed expression`);
    }
    byKind.set(kind, [...(byKind.get(kind) ?? []), value]);
  }
  return [...byKind].flatMap(([kind, values]) => resourcesOf(kind, values));
}

function resourcesOf(kind: string, values: readonly string[]): GenericResource[] {
  const [first = ""] = values;
  if (values.length === 1 && NUMBER_REGEXP.test(first)) {
    const count = Number(first);
    if (count < 0) throw unreadable(`cannot ask for negative resource ${kind}`);
    return [{ kind, count }];
  }
  if (values.some((value) => NUMBER_REGEXP.test(value))) {
    throw unreadable(`mixed discrete and named resources in expression '${kind}=[${values.join(" ")}]'`);
  }
  return [...new Set(values)].map((id) => ({ kind, id }));
}

function unreadable(why: string): Fault {
  return new Fault("invalid", `could not parse GenericResource: ${why}`);
}
