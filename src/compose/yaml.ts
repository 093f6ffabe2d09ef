import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import { messageOf } from "../lib/index.ts";
import type { Position, Problems } from "./problem.ts";
import type { Entry, MergeTag, Tree } from "./tree.ts";

/** Aliases of aliases grow as powers; no stack file comes near this. */
const MOST_PARTS = 200_000;
const DEEPEST = 100;
const TAGS: Readonly<Record<string, MergeTag>> = { "!reset": "reset", "!override": "override" };
/** As YAML 1.2 says them, and the octal numbers of YAML 1.1 that Docker's reader knows (`mode: 0440`). */
const WORDS: Readonly<Record<string, boolean | null>> = {
  "": null,
  "~": null,
  null: null,
  Null: null,
  NULL: null,
  true: true,
  True: true,
  TRUE: true,
  false: false,
  False: false,
  FALSE: false,
};
const OCTAL_REGEXP = /^[-+]?0o?[0-7]+$/;
const NUMBER_REGEXP = /^(?:[-+]?(?:0|[1-9]\d*)(?:\.\d*)?(?:[eE][-+]?\d+)?|0x[0-9a-fA-F]+|[-+]?\.\d+)$/;

/** A file's first document as a tree; undefined when it is empty or no YAML. Every problem has its place. */
export function readYaml(file: string, text: string, problems: Problems): Tree | undefined {
  return new YamlReader(file, text, problems).read();
}

class YamlReader {
  readonly #lines = new LineCounter();
  readonly #file: string;
  readonly #text: string;
  readonly #problems: Problems;
  #document: Document | undefined;
  #parts = 0;

  constructor(file: string, text: string, problems: Problems) {
    this.#file = file;
    this.#text = text;
    this.#problems = problems;
  }

  read(): Tree | undefined {
    try {
      return this.#readDocument();
    } catch (error) {
      return this.#problems.error(this.#at(0), `cannot read YAML: ${messageOf(error)}`);
    }
  }

  #readDocument(): Tree | undefined {
    const document = parseDocument(this.#text, {
      lineCounter: this.#lines,
      schema: "failsafe",
      prettyErrors: false,
      logLevel: "silent",
    });
    this.#document = document;
    for (const { pos, message, code } of document.errors) {
      const what = code === "MULTIPLE_DOCS" ? "a stack file has one document" : sentenceOf(message);
      this.#problems.error(this.#at(pos[0]), `cannot read YAML: ${what}`);
    }
    const before = this.#problems.list().length;
    for (const { pos, message, code } of document.warnings) {
      if (code !== "TAG_RESOLVE_FAILED" || !Object.keys(TAGS).some((tag) => message.endsWith(` ${tag}`)))
        this.#problems.error(this.#at(pos[0]), `cannot read YAML: ${sentenceOf(message)}`);
    }
    const isWrong = document.errors.length > 0 || this.#problems.list().length > before;
    if (isWrong || document.contents === null) return undefined;
    return this.#tree(document.contents, 0);
  }

  #at(offset: number): Position {
    const { line, col } = this.#lines.linePos(Math.min(offset, this.#text.length));
    return { file: this.#file, line: Math.max(1, line), column: Math.max(1, col) };
  }

  #tree(node: unknown, depth: number): Tree | undefined {
    const at = this.#at(startOf(node));
    if (++this.#parts > MOST_PARTS) throw new Error("it says more than any stack can need");
    if (depth > DEEPEST) throw new Error("it is nested too deep, or an anchor holds itself");
    if (isAlias(node)) return this.#alias(node, at, depth);
    if (isMap(node)) return this.#map(node, at, depth);
    if (isSeq(node)) return this.#list(node, at, depth);
    if (isScalar(node)) return this.#scalar(node, at);
    return { kind: "scalar", at, value: null, source: "" };
  }

  #alias(node: Alias, at: Position, depth: number): Tree | undefined {
    const target = this.#document === undefined ? undefined : node.resolve(this.#document);
    if (target === undefined) return this.#problems.error(at, `there is no anchor &${node.source}`);
    return this.#tree(target, depth + 1);
  }

  #list(node: YAMLSeq, at: Position, depth: number): Tree {
    const items = node.items.flatMap((item) => this.#tree(item, depth + 1) ?? []);
    return { kind: "list", at, ...tagOf(node.tag), items };
  }

  #map(node: YAMLMap, at: Position, depth: number): Tree {
    const entries = new Map<string, Entry>();
    const merged: Tree[] = [];
    for (const pair of node.items as Pair[]) {
      const key = this.#key(pair.key);
      const value = this.#tree(pair.value, depth + 1);
      if (key === undefined || value === undefined) continue;
      if (key.text === "<<") merged.push(...(value.kind === "list" ? value.items : [value]));
      else entries.set(key.text, { at: key.at, value });
    }
    for (const tree of merged) this.#inherit(entries, tree);
    return { kind: "map", at, ...tagOf(node.tag), entries };
  }

  /** What `<<` brings never replaces what the map says itself. */
  #inherit(entries: Map<string, Entry>, tree: Tree): void {
    if (tree.kind !== "map") this.#problems.error(tree.at, "what << merges must be a mapping");
    else for (const [key, entry] of tree.entries) if (!entries.has(key)) entries.set(key, entry);
  }

  #key(node: unknown): { readonly text: string; readonly at: Position } | undefined {
    const at = this.#at(startOf(node));
    if (isScalar(node)) return { text: String(node.value ?? ""), at };
    return this.#problems.error(at, "a key must be a word");
  }

  #scalar(node: Scalar, at: Position): Tree {
    const text = String(node.value ?? "");
    const plain = node.type === "PLAIN" || node.type === undefined;
    return { kind: "scalar", at, ...tagOf(node.tag), value: plain ? plainValue(text) : text, source: text };
  }
}

function plainValue(text: string): string | number | boolean | null {
  const word = WORDS[text];
  if (word !== undefined && Object.hasOwn(WORDS, text)) return word;
  if (OCTAL_REGEXP.test(text) && text.length > 1) {
    return Number.parseInt(text.replace(/o/, ""), 8);
  }
  return NUMBER_REGEXP.test(text) ? Number(text) : text;
}

function startOf(node: unknown): number {
  const { range } = (node ?? {}) as { range?: readonly number[] | null };
  return range?.[0] ?? 0;
}

function tagOf(tag: string | undefined): { readonly tag?: MergeTag } {
  const known = tag === undefined ? undefined : TAGS[tag];
  return known === undefined ? {} : { tag: known };
}

function sentenceOf(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1).replace(/\.$/, "");
}
