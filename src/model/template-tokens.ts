import { Fault } from "../lib/index.ts";

/** A piece of a template: text between actions, or one action's tokens, `{{` and `}}` taken off. */
export type Piece =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "action"; readonly tokens: readonly Token[]; readonly source: string };

export type Token =
  | { readonly kind: "field"; readonly path: readonly string[] }
  | { readonly kind: "word" | "text" | "mark"; readonly text: string }
  | { readonly kind: "number"; readonly value: number };

/** Go's lexer (text/template/parse/lex.go), for what is read here. In the order they are tried. */
const TOKENS: readonly [RegExp, (found: string) => Token][] = [
  [/(?:\.[\p{L}_][\p{L}\p{N}_]*)+/uy, (s) => ({ kind: "field", path: s.slice(1).split(".") })],
  [/\.(?![\p{L}\p{N}_])/uy, () => ({ kind: "field", path: [] })],
  [/[\p{L}_][\p{L}\p{N}_]*/uy, (text) => ({ kind: "word", text })],
  [/"(?:[^"\\\n]|\\.)*"/y, (s) => ({ kind: "text", text: unquote(s) })],
  [/`[^`]*`/y, (s) => ({ kind: "text", text: s.slice(1, -1) })],
  [/[+-]?\d+(?![\p{L}\p{N}_.])/uy, (s) => ({ kind: "number", value: Number(s) })],
  [/[|()]/y, (text) => ({ kind: "mark", text })],
];

const OPEN = /\{\{(?:-(?=[ \t\r\n]))?/g;
const CLOSE = /(?:[ \t\r\n]-)?\}\}/y;
const COMMENT = /\s*\/\*[\s\S]*?\*\//y;
const SPACE = /[ \t\r\n]+/y;

/** Cuts a template into text and actions; `{{- ` and ` -}}` take the space beside them away. Fault "invalid" if it cannot. */
export function piecesOf(template: string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  let isTrimmed = false;
  const text = (end: number, trimsEnd: boolean): void => {
    let between = template.slice(at, end);
    if (isTrimmed) between = between.replace(/^[ \t\r\n]+/, "");
    if (trimsEnd) between = withoutEnd(between);
    if (between !== "") pieces.push({ kind: "text", text: between });
  };
  for (let open = find(OPEN, template, 0); open !== undefined; open = find(OPEN, template, at)) {
    text(open.index, open[0].endsWith("-"));
    const start = open.index + open[0].length;
    const { tokens, end, close } = readAction(template, start);
    const source = template.slice(open.index, end);
    if (tokens !== undefined) pieces.push({ kind: "action", tokens, source });
    [at, isTrimmed] = [end, close.includes("-")];
  }
  text(template.length, false);
  return pieces;
}

/** Without the space at its end. A pattern would look for one from every space on. */
function withoutEnd(text: string): string {
  let end = text.length;
  while (end > 0 && " \t\r\n".includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}

/** The tokens from `start` to the action's end; undefined for a comment. */
function readAction(
  template: string,
  start: number,
): { tokens: Token[] | undefined; end: number; close: string } {
  const comment = find(COMMENT, template, start)?.[0];
  const tokens: Token[] = [];
  let at = start + (comment?.length ?? 0);
  while (true) {
    const close = find(CLOSE, template, at)?.[0];
    if (close !== undefined) {
      return { tokens: comment === undefined ? tokens : undefined, end: at + close.length, close };
    }
    const space = find(SPACE, template, at)?.[0];
    if (space !== undefined) {
      at += space.length;
      continue;
    }
    if (at >= template.length) throw unread(template, start, 'it has no "}}"');
    const [length, token] = readToken(template, start, at);
    tokens.push(token);
    at += length;
  }
}

function readToken(template: string, start: number, at: number): [number, Token] {
  for (const [pattern, make] of TOKENS) {
    const found = find(pattern, template, at)?.[0];
    if (found !== undefined) return [found.length, make(found)];
  }
  const rest = /^\S{1,20}/.exec(template.slice(at))?.[0] ?? "";
  throw unread(template, start, `${quoted(rest)} is not understood here`);
}

function find(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text) ?? undefined;
}

/** Names the action and nothing beside it: what surrounds it may be a password. */
function unread(template: string, start: number, reason: string): Fault {
  const end = template.indexOf("}}", start);
  const action = `{{${template.slice(start, end < 0 ? undefined : end)}${end < 0 ? "" : "}}"}`;
  return new Fault("invalid", `cannot read template ${quoted(action)}: ${reason}`);
}

/** A Go string literal's text: JSON's escapes, as far as anybody uses them. */
function unquote(literal: string): string {
  try {
    return JSON.parse(literal) as string;
  } catch {
    throw new Fault(
      "invalid",
      `cannot read template: the text ${literal} has an escape that is not supported`,
    );
  }
}

/** For errors: one line, not too long. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 79)}…` : text);
}
