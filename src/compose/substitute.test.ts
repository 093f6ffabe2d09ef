// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables are those of stack files
import { expect, test } from "vitest";
import { readDotenv } from "./dotenv.ts";
import { formatProblem, Problems } from "./problem.ts";
import { substitute } from "./substitute.ts";

const WORDS: Readonly<Record<string, string>> = { A: "a", EMPTY: "" };
const lookup = (name: string) => WORDS[name];

test.each([
  ["$A-${A}", "a-a"],
  ["$$A $${A}", "$A ${A}"],
  ["${NONE-usual} ${EMPTY-usual} ${A-usual}", "usual  a"],
  ["${NONE:-usual} ${EMPTY:-usual} ${A:-usual}", "usual usual a"],
  ["${NONE+word} ${EMPTY+word} ${A+word}", " word word"],
  ["${NONE:+word} ${EMPTY:+word} ${A:+word}", "  word"],
  ["${A?why} ${EMPTY?why} ${A:?why}", "a  a"],
  ["${NONE:-${EMPTY:-${A}}}", "a"],
  ["${NONE:-{a}}", "{a}"],
  ["a$", undefined],
  ["${A", undefined],
  ["${1}", undefined],
  ["${A!x}", undefined],
  ["${NONE?it is needed}", undefined],
  ["${EMPTY:?it is needed}", undefined],
])("%s", (text, wanted) => {
  if (wanted === undefined) expect(() => substitute(text, lookup)).toThrow();
  else expect(substitute(text, lookup).text).toBe(wanted);
});

test("names the variables that nobody set, but not those of a word that is not used", () => {
  expect(substitute("$NO ${A:-$OTHER} ${NONE:-x}", lookup).unset).toEqual(["NO"]);
});

test("an env file has quotes, comments, exports, and values of lines before", () => {
  const text = [
    "# a comment",
    "PLAIN=one two # not this",
    "export HASH=a#b",
    "SINGLE='${A} stays'",
    'DOUBLE="${A}\\n$PLAIN"',
    'MANY="first',
    'second"',
    "ALONE",
    "EMPTY_ONE=",
  ].join("\n");
  const problems = new Problems();
  const found = readDotenv(".env", text, { lookup, problems });
  expect(Object.fromEntries(found.map(({ name, value }) => [name, value]))).toEqual({
    PLAIN: "one two",
    HASH: "a#b",
    SINGLE: "${A} stays",
    DOUBLE: "a\none two",
    MANY: "first\nsecond",
    ALONE: undefined,
    EMPTY_ONE: "",
  });
  expect(problems.list()).toEqual([]);
});

test("an env file that is none says where", () => {
  const problems = new Problems();
  readDotenv("x.env", 'A=1\n=2\nB=${\nC="open', { lookup, problems });
  expect(problems.list().map(formatProblem)).toEqual([
    "x.env:2:1: error: a line of an env file says NAME=value",
    "x.env:3:1: error: B: after $ and a brace comes a variable's name",
    "x.env:4:1: error: the quote of C is not closed",
  ]);
});
