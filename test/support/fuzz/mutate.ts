import type { Dice } from "./dice.ts";
import { ODD_NUMBERS, type Words } from "./words.ts";

/** JSON text of a body with, mostly, something wrong with it. */
export function mutatedText(body: unknown, dice: Dice, words: Words): string {
  let value = body;
  for (let left = dice.of([0, 0, 1, 1, 2, 5]); left > 0; left--) value = mutated(value, dice, words);
  const text = JSON.stringify(value) ?? "";
  return dice.once(15) ? brokenText(text, dice) : text;
}

/** One value inside is another one, is gone, or has company. */
function mutated(value: unknown, dice: Dice, words: Words): unknown {
  if (typeof value !== "object" || value === null || dice.once(4)) return odd(dice, words);
  if (Array.isArray(value)) {
    if (value.length === 0 || dice.once(5)) return [...value, odd(dice, words), ...value];
    const at = dice.below(value.length);
    return value.map((each: unknown, i) => (i === at ? mutated(each, dice, words) : each));
  }
  const entries = Object.entries(value);
  if (entries.length === 0 || dice.once(8)) return { ...value, [words.odd()]: odd(dice, words) };
  const at = dice.below(entries.length);
  const change = dice.below(5);
  return Object.fromEntries(
    entries.flatMap(([key, each], i): [string, unknown][] => {
      if (i !== at) return [[key, each]];
      if (change === 0) return [];
      if (change === 1) return [[dice.once(2) ? key.toLowerCase() : key.toUpperCase(), each]];
      return [[key, change === 2 ? odd(dice, words) : mutated(each, dice, words)]];
    }),
  );
}

function odd(dice: Dice, words: Words): unknown {
  const makers = [
    () => words.odd(),
    () => dice.of(ODD_NUMBERS),
    () => dice.of<unknown>([null, true, false, [], {}, [[]], [null], { "": null }, { constructor: 1 }]),
    () => Array.from({ length: 200 }, () => words.odd()),
    () => nested(dice.of([3, 30, 2000])),
    () => JSON.parse(`{"__proto__":{"polluted":1},"x":${dice.below(9)}}`),
  ];
  return dice.of(makers)();
}

function nested(depth: number): unknown {
  let value: unknown = {};
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

/** No JSON any more, or JSON that few writers write. */
function brokenText(text: string, dice: Dice): string {
  const at = dice.below(text.length + 1);
  const makers = [
    () => text.slice(0, at),
    () => text.slice(0, at) + dice.of([",", "}", "]", '"', "\\", "\0", "NaN", "1e999", "'"]) + text.slice(at),
    () => text.replace("{", `{"Name":1,"Name":"twice","name":"thrice",`).replace(",}", "}"),
    () => text.replace(/\d+/, () => dice.of(["1e999", "-0", "00", "1.", "123456789012345678901234567890"])),
    () => `\ufeff${text}`,
    () => dice.of(["", " ", "null", "[]", '""', "0", "nul", "{", `${"[".repeat(50_000)}`, "\xff\xfe"]),
    () => text + text,
  ];
  return dice.of(makers)();
}
