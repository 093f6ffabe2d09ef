import type { Problems } from "./problem.ts";
import { BadSubstitution, type Lookup, substitute } from "./substitute.ts";

/** One line of an env file: a name, and its value unless it stands alone and so takes the environment's. */
export interface Assignment {
  readonly name: string;
  readonly value: string | undefined;
}

const LINE_REGEXP = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*(?:([=:])[ \t]*(.*))?$/s;
const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  '"': '"',
  "\\": "\\",
  $: "$$",
};

/**
 * The assignments of a `.env` file: `NAME=value`, `export`, comments, single quotes (taken as they are, over lines), double
 * quotes (with escapes and variables, over lines). `raw` is compose's `format: raw`: everything after `=` as it stands.
 */
export function readDotenv(
  file: string,
  text: string,
  { lookup, problems, raw = false }: { lookup: Lookup; problems: Problems; raw?: boolean },
): Assignment[] {
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  const found = new Map<string, Assignment>();
  const known: Lookup = (name) => lookup(name) ?? found.get(name)?.value;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? "";
    if (/^\s*(#|$)/.test(line)) continue;
    const at = { file, line: i + 1, column: 1 };
    const [, name, sign, rest = ""] = LINE_REGEXP.exec(line) ?? [];
    if (name === undefined) {
      problems.error(at, "a line of an env file says NAME=value");
      continue;
    }
    if (sign === undefined || raw) {
      found.set(name, { name, value: sign === undefined ? undefined : rest });
      continue;
    }
    const quoted = quotedFrom(rest, lines, i);
    if (quoted === "open") problems.error(at, `the quote of ${name} is not closed`);
    if (quoted === "open") break;
    i = quoted?.last ?? i;
    const template = quoted?.template ?? unquoted(rest);
    try {
      const value = quoted?.quote === "'" ? template : substitute(template, known).text;
      found.set(name, { name, value });
    } catch (error) {
      if (!(error instanceof BadSubstitution)) throw error;
      problems.error(at, `${name}: ${error.message}`);
    }
  }
  return [...found.values()];
}

function unquoted(rest: string): string {
  return rest.replace(/(^|\s)#.*$/, "").trimEnd();
}

interface Quoted {
  readonly quote: string;
  readonly template: string;
  /** The index of the line that it ends on. */
  readonly last: number;
}

function quotedFrom(rest: string, lines: readonly string[], first: number): Quoted | "open" | undefined {
  const quote = rest[0];
  if (quote !== '"' && quote !== "'") return undefined;
  let body = rest.slice(1);
  for (let last = first; ; body += `\n${lines[++last] ?? ""}`) {
    const end = endOf(body, quote);
    if (end >= 0) {
      const inside = body.slice(0, end);
      return { quote, template: quote === '"' ? unescaped(inside) : inside, last };
    }
    if (last + 1 >= lines.length) return "open";
  }
}

function endOf(body: string, quote: string): number {
  for (let i = 0; i < body.length; i++) {
    if (body[i] === "\\" && quote === '"') i++;
    else if (body[i] === quote) return i;
  }
  return -1;
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (all, c: string) => ESCAPES[c] ?? all);
}
