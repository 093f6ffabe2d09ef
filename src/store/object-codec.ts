import { Fault, messageOf } from "../lib/index.ts";
import { KINDS, type Kind, type Kinds } from "../model/index.ts";
import type { Entry } from "./backend.ts";
import type { Seal } from "./seal.ts";

/** Every object's key begins so: /shoal/<kind>/<id>. */
export const PREFIX = "/shoal/";

export function keyOf(kind: Kind, id: string): string {
  return `${PREFIX}${kind}/${id}`;
}

/** Undefined for keys of kinds that this version does not know: a newer manager's. */
export function parseKey(key: string): { kind: Kind; id: string } | undefined {
  const [kind = "", id = ""] = key.slice(PREFIX.length).split("/");
  return KINDS.includes(kind as Kind) ? { kind: kind as Kind, id } : undefined;
}

/** Sealed JSON. The version is left out: the backend knows it. Fields that nobody here knows go along. */
export function encodeObject(seal: Seal, key: string, object: Kinds[Kind]): Uint8Array {
  const { version: _, ...rest } = object;
  return seal.seal(key, new TextEncoder().encode(JSON.stringify(rest)));
}

/** Fault "internal" when the value was not sealed for this key, or is not the object that the key names. */
export function decodeObject(seal: Seal, { key, value, version }: Entry): Kinds[Kind] {
  const text = new TextDecoder().decode(seal.open(key, value));
  const object = { ...parse(key, text), version };
  if (object.id !== parseKey(key)?.id)
    throw new Fault("internal", `cannot read ${key}: it holds another object`);
  return object;
}

function parse(key: string, text: string): Kinds[Kind] {
  try {
    return JSON.parse(text) as Kinds[Kind];
  } catch (cause) {
    throw new Fault("internal", `cannot read ${key}: ${messageOf(cause)}`, { cause });
  }
}
