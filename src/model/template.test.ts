import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anyUnit } from "../lib/any-unit.fake.ts";
import { aService, aTask } from "./objects.fake.ts";
import { checkTemplate, expandTemplate, templateContextOf } from "./template.ts";

const node = { hostname: "host-1", platform: { architecture: "x86_64", os: "linux" } };
const service = aService("web", { labels: { zone: "north", "com.example.tier": "front", empty: "" } });
const context = templateContextOf(aTask(service, 3, { nodeId: "n1" }), node);

test.each([
  ["plain", "plain"],
  ["", ""],
  ["a } b }} c { d", "a } b }} c { d"],
  ["{{.Service.ID}}/{{.Service.Name}}", "svc-web/web"],
  ["{{.Node.ID}} {{.Node.Hostname}}", "n1 host-1"],
  ["{{.Node.Platform.OS}}-{{.Node.Platform.Architecture}}", "linux-x86_64"],
  ["{{.Task.ID}} {{.Task.Name}} {{.Task.Slot}}", "web-3 web.3.web-3 3"],
  ["{{ .Task.Slot }}{{\n.Task.Slot\t}}", "33"],
  ["{{.Service.Labels.zone}}", "north"],
  ['{{index .Service.Labels "com.example.tier"}}', "front"],
  ['[{{index .Service.Labels "nope"}}]', "[]"],
  ['{{join "-" .Service.Name .Task.Slot .Node.Hostname}}', "web-3-host-1"],
  ['{{join ","}}', ""],
  ['{{.Task.Slot | join "-" .Service.Name}}', "web-3"],
  ['{{"zone" | index .Service.Labels | printf "%q"}}', '"north"'],
  [
    '{{printf "%s-%04s|%-4s|%.2s|%d%%" .Service.Name .Task.Slot "ab" .Node.Hostname 7}}',
    "web-   3|ab  |ho|7%",
  ],
  ['{{printf "%03d %v %v" 7 true 12}}', "007 true 12"],
  ['{{print "a" "b" 1 2 true}}', "ab1 2 true"],
  ["{{len .Service.Name}} {{len .Service.Labels}}", "3 3"],
  ['{{`a "raw" \\n`}}', 'a "raw" \\n'],
  ['{{"tab\\tquote\\""}}', 'tab\tquote"'],
  ['{{"}}"}}', "}}"],
  ["a {{- .Task.Slot -}} b", "a3b"],
  ["a {{/* nothing */}} b", "a  b"],
  ["a {{- /* nothing */ -}} b", "ab"],
  ['{{(join "/" .Service.Name .Task.Slot)}}', "web/3"],
  ['{{if eq .Task.Slot "1"}}first{{else if eq .Task.Slot "2" "3"}}later{{else}}other{{end}}', "later"],
  ["{{if .Service.Labels.empty}}a{{else}}b{{if true}}c{{end}}{{end}}", "bc"],
  ['{{if and .Service.Name (not .Service.Labels.empty)}}x{{end}}{{or "" "y"}}{{ne "a" "b"}}', "xytrue"],
])("%s says %s", (text, says) => {
  expect(expandTemplate(text, context)).toBe(says);
  expect(() => checkTemplate(text)).not.toThrow();
});

test.each([
  ["pw {{.Task.Slot", /^cannot read template "\{\{.Task.Slot": it has no "\}\}"$/],
  ["{{}}", /a value is missing/],
  ["{{.Task.Slot |}}", /a value is missing/],
  [
    "{{.Task.Slott}}",
    /cannot expand template "\{\{.Task.Slott\}\}": there is no .Slott in .Task, but .ID, .Name, .Slot$/,
  ],
  ["{{.Nope}}", /there is no .Nope in a template, but .Service, .Node, .Task/],
  ["{{.Task.Slot.More}}", /there is no .More in .Task.Slot$/],
  ["{{.Service.Labels.a.b}}", /there is no .b in .Service.Labels.a$|has no label "b"|has no label "a"/],
  ["{{.constructor}}", /there is no .constructor/],
  ["{{nope .Task.Slot}}", /there is no function "nope": there is join, index/],
  ["{{toString .Task.Slot}}", /no function "toString"/],
  ["{{index .Service.Labels}}", /"index" takes 2 values, not 1/],
  ["{{.Task.Slot .Task.ID}}", /.Task.Slot is no function/],
  ['{{"a" | .Task.ID}}', /.Task.ID is no function/],
  ["{{range .Service.Labels}}{{end}}", /"range" is not supported in templates/],
  ["{{$x := 1}}", /"\$x" is not understood here/],
  ["{{if true}}x", /it has no "end"/],
  ["{{if true}}x{{else}}y", /it has no "end"/],
  ["{{if true}}x{{else}}y{{else}}z{{end}}", /it has no "end"/],
  ["{{end}}", /"end" has no "if"/],
  ["{{if}}x{{end}}", /a value is missing/],
  ["{{(.Task.Slot}}", /a "\(" has no "\)"/],
  ["{{.Task.Slot)}}", /a "\)" has no "\("/],
  ['{{"bad \\escape"}}', /an escape that is not supported/],
  ['{{secret "x"}}', /there is no function "secret"/],
])("%s is refused at the door, and on the node", (text, why) => {
  expect(() => checkTemplate(text)).toThrow(why);
  expect(() => expandTemplate(text, context)).toThrow(why);
});

describe("what only a task can tell", () => {
  test.each([
    ["{{.Service.Labels.nope}}", /: the service has no label "nope"$/],
    ["{{.Service}}", /it is not one text: name a field of it/],
    ["{{.}}", /it is not one text/],
    ["{{eq .Task.Slot 3}}", /only texts compare with texts/],
    ['{{printf "%d" .Task.Slot}}', /"%d" does not fit/],
    ['{{printf "%s"}}', /"%s" has no value/],
    ['{{printf "x" "y"}}', /no place for every value/],
    ["{{join 1 .Task.ID}}", /a text is wanted, not 1/],
    ['{{index .Task.ID "a"}}', /only labels can be indexed/],
  ])("%s", (text, why) => {
    expect(() => checkTemplate(text)).not.toThrow();
    expect(() => expandTemplate(text, context)).toThrow(why);
  });
});

describe("a template that asks for more than it may", () => {
  const many = 20_000;
  test.each([
    ["parentheses", `{{${"(".repeat(many)}1${")".repeat(many)}}}`],
    ["branches", "{{if true}}".repeat(many) + "{{end}}".repeat(many)],
    ["other branches", `{{if true}}${"{{else if true}}".repeat(many)}{{end}}`],
    ["values", `{{print ${"1 ".repeat(many)}}}`],
  ])("has too many %s for the door", (_, text) => {
    expect(() => checkTemplate(text)).toThrow(/more than 100 are nested|takes at most 1000 values/);
  });

  const big = { ...context, Service: { ...context.Service, Labels: { big: "x".repeat(100_000) } } };
  test.each([
    ["a width", '{{printf "%400000000s" .Task.Slot}}'],
    ["a width that is no number", `{{printf "%${"9".repeat(400)}s" .Task.Slot}}`],
    ["many widths", '{{printf "%99999s%99999s" "a" "b"}}'],
    ["a separator", '{{join .Service.Labels.big "a" "b" "c"}}'],
    ["one value twice", "{{print .Service.Labels.big .Service.Labels.big}}"],
    ["many actions", "{{if true}}{{.Service.Labels.big}}{{.Service.Labels.big}}{{end}}"],
  ])("would be too long by %s", (_, text) => {
    expect(() => expandTemplate(text, big)).toThrow(/a text of more than 131072 characters/);
  });

  test("what surrounds actions has any length, and is read in one go", () => {
    const spaces = " ".repeat(60_000);
    expect(expandTemplate(`a${spaces}b${spaces}{{- .Task.Slot -}}${spaces}c`, context)).toBe(`a${spaces}b3c`);
    expect(expandTemplate(`{{1${"|print".repeat(many)}}}`, context)).toBe("1");
  });
});

test("the slot of a global service's task is its node, as Swarm has it; a job's first is 0", () => {
  const of = (mode: Parameters<typeof aService>[1]) => {
    const task = aTask(aService("web", mode), 0, { nodeId: "n1" });
    return expandTemplate("{{.Task.Slot}} {{.Task.Name}}", templateContextOf(task, node));
  };
  expect(of({ mode: { kind: "global" } })).toBe("n1 web.n1.web-0");
  expect(of({ mode: { kind: "replicated-job", maxConcurrent: 1, totalCompletions: 2 } })).toBe(
    "0 web.0.web-0",
  );
});

test("a text without an action stays as it is", () => {
  fc.assert(
    fc.property(fc.string({ unit: anyUnit }), (text) => {
      fc.pre(!text.includes("{{"));
      expect(expandTemplate(text, context)).toBe(text);
      checkTemplate(text);
    }),
  );
});

test('whatever is written, it is expanded or refused with an "invalid" that names a reason', () => {
  const words = [
    "{{",
    "}}",
    "{{-",
    "-}}",
    " ",
    ".Task.Slot",
    ".Service.Labels",
    ".x",
    "if",
    "else",
    "end",
    "join",
    "index",
  ];
  const part = fc.oneof(
    fc.constantFrom(...words, '"a"', "|", "(", ")", "1", "/*", "*/", "eq", "$"),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const text = parts.join("");
      const tried = (work: () => void) => {
        try {
          work();
          return undefined;
        } catch (error) {
          return error;
        }
      };
      const refused = tried(() => checkTemplate(text));
      const failed = tried(() => expandTemplate(text, context));
      for (const error of [refused, failed])
        if (error !== undefined) expect(error).toMatchObject({ kind: "invalid" });
      // What only a task can tell comes later; what the door refuses no task may expand, but in a branch not taken.
      if (refused !== undefined && !text.includes("if")) expect(failed).toBeDefined();
    }),
    { numRuns: 500 },
  );
});
