import { Fault } from "../lib/index.ts";

/** The version that guards an update. Fault "invalid" `invalid service version 'x': …`, in Docker's words. */
export function versionOf(query: URLSearchParams, kind: string): number {
  const text = query.get("version") ?? "";
  const version = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(version)) return version;
  const reason = `strconv.ParseUint: parsing "${text}": invalid syntax`;
  throw new Fault("invalid", `invalid ${kind} version '${text}': ${reason}`);
}

/** One word of a closed set in the query; absent is the first of them. */
export function choiceOf<const T extends string>(
  query: URLSearchParams,
  name: string,
  words: readonly [T, ...T[]],
): T {
  const text = query.get(name) ?? "";
  const [first] = words;
  const word = text === "" ? first : words.find((w) => w === text);
  if (word === undefined) throw new Fault("invalid", `unrecognized ${name} option ${text}`);
  return word;
}
