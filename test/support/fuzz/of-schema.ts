import type { z } from "zod";
import type { Dice } from "./dice.ts";
import type { Words } from "./words.ts";

/** What zod keeps of a schema, as far as it is looked at here (zod 4, `_zod.def`). */
interface Def {
  readonly type: string;
  readonly in?: z.ZodType;
  readonly out?: z.ZodType;
  readonly innerType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly options?: readonly z.ZodType[];
  readonly items?: readonly z.ZodType[];
}

const defOf = (schema: z.ZodType): Def => schema._zod.def as unknown as Def;

/** JSON that the schema mostly takes: its fields, of its kinds, with words that clients say in fields of these names. */
export class SchemaBodies {
  readonly #dice: Dice;
  readonly #words: Words;

  constructor(dice: Dice, words: Words) {
    this.#dice = dice;
    this.#words = words;
  }

  make(schema: z.ZodType, field = "", depth = 0): unknown {
    const def = defOf(schema);
    const maker = this.#makers[def.type];
    if (maker === undefined) throw new Error(`this generator knows no schema of type ${def.type}: teach it`);
    return maker(def, field, depth);
  }

  /** The schema behind what only wraps or turns it. */
  readonly #makers: Readonly<Record<string, (def: Def, field: string, depth: number) => unknown>> = {
    pipe: (def, field, depth) =>
      this.make(isTransform(def.in) ? (def.out as z.ZodType) : (def.in as z.ZodType), field, depth),
    optional: (def, field, depth) => (this.#isLeftOut(depth) ? undefined : this.#inner(def, field, depth)),
    nullable: (def, field, depth) => (this.#dice.once(30) ? null : this.#inner(def, field, depth)),
    default: (def, field, depth) => this.#inner(def, field, depth),
    lazy: () => null,
    string: (_, field) => this.#words.text(field),
    number: () => this.#words.number(),
    int: () => this.#words.number(),
    boolean: () => this.#dice.once(2),
    unknown: (_, field) => this.#dice.of([null, {}, "", 0, this.#words.text(field)]),
    literal: (def) => this.#dice.of((def as unknown as { values: unknown[] }).values),
    enum: (def) =>
      this.#dice.of(Object.values((def as unknown as { entries: Record<string, unknown> }).entries)),
    array: (def, field, depth) =>
      this.#dice.some(4, () => this.make(def.element as z.ZodType, field, depth + 1)),
    tuple: (def, field, depth) => (def.items ?? []).map((item) => this.make(item, field, depth + 1)),
    union: (def, field, depth) => this.make(this.#dice.of(def.options ?? []), field, depth),
    record: (def, field, depth) =>
      Object.fromEntries(
        this.#dice.some(4, () => [
          this.#words.text(field),
          this.make(def.valueType as z.ZodType, field, depth + 1),
        ]),
      ),
    object: (def, _, depth) =>
      Object.fromEntries(
        Object.entries(def.shape ?? {})
          .map(([key, each]) => [key, this.make(each, key, depth + 1)] as const)
          .filter(([, value]) => value !== undefined),
      ),
  };

  #inner(def: Def, field: string, depth: number): unknown {
    return this.make(def.innerType as z.ZodType, field, depth);
  }

  /** Most fields of most requests are not said, and the deeper the fewer. */
  #isLeftOut(depth: number): boolean {
    return this.#dice.below(8) < 4 + Math.min(depth, 3);
  }
}

function isTransform(schema: z.ZodType | undefined): boolean {
  return schema === undefined || defOf(schema).type === "transform";
}
