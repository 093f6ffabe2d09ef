/** The words around a file: a variable's value, or undefined when nobody set it. */
export type Lookup = (name: string) => string | undefined;

/** A substitution that cannot be made; `offset` is of the `$`. */
export class BadSubstitution extends Error {
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

export interface Substituted {
  readonly text: string;
  /** Variables that nobody set and that have no default: they became nothing. */
  readonly unset: readonly string[];
}

const NAME_REGEXP = /^[A-Za-z_][A-Za-z0-9_]*/;
const FORM_REGEXP = /^(:?[-+?])/;

/**
 * Compose's interpolation: `$A ${A} ${A-b} ${A:-b} ${A?why} ${A:?why} ${A+b} ${A:+b}`, nested in their words, and `$$` for
 * a dollar. Faults: BadSubstitution.
 */
export function substitute(text: string, lookup: Lookup): Substituted {
  const unset: string[] = [];
  const out = new Substitution(text, lookup, unset).until(undefined);
  return { text: out, unset };
}

class Substitution {
  #i = 0;
  readonly #text: string;
  readonly #lookup: Lookup;
  readonly #unset: string[];

  constructor(text: string, lookup: Lookup, unset: string[]) {
    this.#text = text;
    this.#lookup = lookup;
    this.#unset = unset;
  }

  /** Everything up to a `}` of this level, or to the end. */
  until(open: number | undefined): string {
    let out = "";
    while (this.#i < this.#text.length) {
      const c = this.#text[this.#i] ?? "";
      if (c === "}" && open !== undefined) return out;
      out += c === "$" ? this.#dollar() : c;
      if (c !== "$") this.#i++;
    }
    if (open !== undefined) throw new BadSubstitution(open, "the brace after $ is not closed");
    return out;
  }

  #dollar(): string {
    const start = this.#i++;
    const next = this.#text[this.#i];
    if (next === "$") {
      this.#i++;
      return "$";
    }
    if (next === "{") return this.#braced(start);
    const name = this.#name();
    if (name === undefined)
      throw new BadSubstitution(start, "after $ comes a variable's name; $$ stands for a dollar");
    return this.#plain(name);
  }

  #name(): string | undefined {
    const name = NAME_REGEXP.exec(this.#text.slice(this.#i, this.#i + 256))?.[0];
    this.#i += name?.length ?? 0;
    return name;
  }

  #plain(name: string): string {
    const value = this.#lookup(name);
    if (value === undefined) this.#unset.push(name);
    return value ?? "";
  }

  #braced(start: number): string {
    this.#i++;
    const name = this.#name();
    if (name === undefined) throw new BadSubstitution(start, "after $ and a brace comes a variable's name");
    const form = FORM_REGEXP.exec(this.#text.slice(this.#i, this.#i + 2))?.[1];
    this.#i += form?.length ?? 0;
    const heard = this.#unset.length;
    const word = form === undefined ? "" : this.until(start);
    if (this.#text[this.#i] !== "}")
      throw new BadSubstitution(start, `\${${name} is not closed by }, or is followed by an unknown form`);
    this.#i++;
    return this.#chosen({ start, name, form, word, heard });
  }

  #chosen(said: { start: number; name: string; form: string | undefined; word: string; heard: number }) {
    const { start, name, form, word, heard } = said;
    if (form === undefined) return this.#plain(name);
    const value = this.#lookup(name);
    const has = value !== undefined && !(form.startsWith(":") && value === "");
    const usesWord = form.endsWith("+") ? has : !has;
    if (!usesWord) {
      this.#unset.length = heard;
      return form.endsWith("+") ? "" : (value ?? "");
    }
    if (form.endsWith("?"))
      throw new BadSubstitution(start, `${name} must be set${word === "" ? "" : `: ${word}`}`);
    return word;
  }
}
