import { Fault } from "../lib/index.ts";
import { type Piece, piecesOf, quoted, type Token } from "./template-tokens.ts";

/** A template, read. */
export type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "value"; readonly source: string; readonly pipe: Pipe }
  | {
      readonly kind: "if";
      readonly source: string;
      readonly pipe: Pipe;
      readonly then: readonly Part[];
      readonly otherwise: readonly Part[];
    };

/** Commands, each of which gets the last one's value as its last argument. Never empty. */
export type Pipe = readonly Command[];

/** What is called, or the one value; then the arguments. Never empty. */
export type Command = readonly Term[];

export type Term =
  | { readonly kind: "field"; readonly path: readonly string[] }
  | { readonly kind: "function"; readonly name: string }
  | { readonly kind: "literal"; readonly value: string | number | boolean }
  | { readonly kind: "pipe"; readonly pipe: Pipe };

/** Words of Go's templates that ask for loops, scopes or other templates: nothing here has several values to go through. */
const UNSUPPORTED = new Set(["range", "with", "define", "template", "block", "break", "continue", "nil"]);
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["false", false],
]);

/** Branches and parentheses in each other: far more than anybody writes, far less than the stack holds. */
const MOST_NESTED = 100;
const TOO_DEEP = `more than ${MOST_NESTED} are nested`;

/** Reads a template, or throws Fault "invalid" with what is wrong. */
export function parseTemplate(text: string): Part[] {
  const reader = new Reader(piecesOf(text));
  const { parts, end } = reader.parts();
  if (end !== undefined) throw bad(end.source, `"${wordOf(end.tokens)}" has no "if"`);
  return parts;
}

type Action = Extract<Piece, { kind: "action" }>;

class Reader {
  readonly #pieces: readonly Piece[];
  #at = 0;
  #depth = 0;

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
  }

  /** Up to an "else" or "end" that is not its own, or the end of all. */
  parts(): { parts: Part[]; end: Action | undefined } {
    const parts: Part[] = [];
    for (let piece = this.#next(); piece !== undefined; piece = this.#next()) {
      if (piece.kind === "text") {
        parts.push(piece);
        continue;
      }
      const word = wordOf(piece.tokens);
      if (word === "else" || word === "end") return { parts, end: piece };
      parts.push(word === "if" ? this.#if(piece, piece.tokens.slice(1)) : printedOf(piece));
    }
    return { parts, end: undefined };
  }

  #if(action: Action, condition: readonly Token[]): Part {
    if (++this.#depth > MOST_NESTED) throw bad(action.source, TOO_DEEP);
    const pipe = pipeOf(action, condition);
    const { parts: then, end } = this.parts();
    if (end === undefined) throw bad(action.source, 'it has no "end"');
    const otherwise = wordOf(end.tokens) === "else" ? this.#else(action, end) : this.#end(end, []);
    this.#depth--;
    return { kind: "if", source: action.source, pipe, then, otherwise };
  }

  #else(action: Action, end: Action): Part[] {
    const [, next, ...condition] = end.tokens;
    if (next?.kind === "word" && next.text === "if") return [this.#if(end, condition)];
    if (next !== undefined) throw bad(end.source, 'after "else" comes nothing, or "if"');
    const { parts, end: last } = this.parts();
    if (last === undefined || wordOf(last.tokens) !== "end") throw bad(action.source, 'it has no "end"');
    return this.#end(last, parts);
  }

  #end(end: Action, parts: Part[]): Part[] {
    if (end.tokens.length > 1) throw bad(end.source, 'after "end" comes nothing');
    return parts;
  }

  #next(): Piece | undefined {
    return this.#pieces[this.#at++];
  }
}

function printedOf(action: Action): Part {
  return { kind: "value", source: action.source, pipe: pipeOf(action, action.tokens) };
}

function pipeOf(action: Action, tokens: readonly Token[]): Pipe {
  const { pipe, end } = readPipe(action, tokens, 0, 0);
  if (end < tokens.length) throw bad(action.source, 'a ")" has no "("');
  return pipe;
}

/** From `start` to a ")" that is not its own, which is at `end`. */
function readPipe(
  action: Action,
  tokens: readonly Token[],
  start: number,
  depth: number,
): { pipe: Pipe; end: number } {
  if (depth > MOST_NESTED) throw bad(action.source, TOO_DEEP);
  const pipe: Term[][] = [[]];
  let at = start;
  for (let token = tokens[at]; token !== undefined && !isMark(token, ")"); token = tokens[++at]) {
    if (isMark(token, "|")) pipe.push([]);
    else if (isMark(token, "(")) {
      const inner = readPipe(action, tokens, at + 1, depth + 1);
      if (inner.end >= tokens.length) throw bad(action.source, 'a "(" has no ")"');
      pipe.at(-1)?.push({ kind: "pipe", pipe: inner.pipe });
      at = inner.end;
    } else pipe.at(-1)?.push(termOf(action, token));
  }
  if (pipe.some((command) => command.length === 0)) throw bad(action.source, "a value is missing");
  return { pipe, end: at };
}

function termOf(action: Action, token: Token): Term {
  if (token.kind === "field") return token;
  if (token.kind === "number") return { kind: "literal", value: token.value };
  if (token.kind !== "word") return { kind: "literal", value: token.text };
  const boolean = BOOLEANS.get(token.text);
  if (boolean !== undefined) return { kind: "literal", value: boolean };
  if (UNSUPPORTED.has(token.text)) throw bad(action.source, `"${token.text}" is not supported in templates`);
  return { kind: "function", name: token.text };
}

function isMark(token: Token | undefined, text: string): boolean {
  return token?.kind === "mark" && token.text === text;
}

/** What the action begins with, when that is a word. */
function wordOf([first]: readonly Token[]): string | undefined {
  return first?.kind === "word" ? first.text : undefined;
}

function bad(source: string, reason: string): Fault {
  return new Fault("invalid", `cannot read template ${quoted(source)}: ${reason}`);
}
