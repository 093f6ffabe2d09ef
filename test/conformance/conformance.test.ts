import { describe, expect, test } from "vitest";
import { hunksOf } from "./compare.ts";
import { explain, parseDifferences, readDifferences } from "./differences.ts";
import { normalise } from "./normalise.ts";
import { scoreOf, staleRows } from "./report.ts";
import { parseSequences, readSequences } from "./sequence.ts";

describe("sequences", () => {
  test("are blocks of commands on a node, and of conditions", () => {
    const [one, two] = parseSequences(
      "# one: about it\nservice ls\n2: node ls\n\n# two: b\nwait until a runs 1/1\n",
    );
    expect(one).toMatchObject({
      name: "one",
      about: "about it",
      steps: [
        { verb: "docker", node: 1, words: ["service", "ls"] },
        { verb: "docker", node: 2, words: ["node", "ls"] },
      ],
    });
    expect(two?.steps).toMatchObject([{ verb: "wait", words: ["a", "runs", "1/1"] }]);
    expect(() => parseSequences("service ls")).toThrow("not the head of a sequence: service ls");
  });

  test("there are at least 60, and the table speaks of no other", () => {
    const names = readSequences().map(({ name }) => name);
    expect(names.length).toBeGreaterThanOrEqual(60);
    const strangers = readDifferences().filter(
      ({ sequence }) => sequence !== "*" && !names.includes(sequence),
    );
    expect(strangers).toEqual([]);
  });
});

test("what differs from run to run is taken out", () => {
  const names = { $N1: "lab-1" };
  expect(normalise("abcdefghijkl *   lab-1    Ready   \n", names)).toBe("<id> *  $N1  Ready");
  expect(normalise("web.1.0123456789abcdefghijklmno  Running 3 seconds ago", names)).toBe(
    "web.1.<id>  Running <while> ago",
  );
  expect(normalise('[{"B": "2026-01-01T00:00:00.1Z", "A": {"Index": 3}}]', names)).toBe(
    '[\n    {\n        "A": {\n            "Index": <version>\n        },\n        "B": "<time>"\n    }\n]',
  );
  expect(normalise("overall progress: 0 out of 1 tasks\n1/1:  \nverify: Service converged \n", names)).toBe(
    "verify: Service converged",
  );
});

test("tasks that are named by an id are last, whatever the id, and with their history", () => {
  const id = (digit: string) => digit.repeat(25);
  const table = [
    "ID             NAME",
    `${"0a".repeat(6)}   web.${id("1")}       $N2  Running`,
    `${"0b".repeat(6)}    \\_ web.${id("1")}   $N2  Failed`,
    `${"0c".repeat(6)}   web.2   $N1  Running`,
    `${"0d".repeat(6)}   web.${id("z")}       $N1  Running`,
  ].join("\n");
  expect(normalise(table, {}).split("\n")).toEqual([
    "ID  NAME",
    "<id>  web.2  $N1  Running",
    "<id>  web.<id>  $N1  Running",
    "<id>  web.<id>  $N2  Running",
    "<id>  \\_ web.<id>  $N2  Failed",
  ]);
});

test("two texts differ in hunks of lines", () => {
  expect(hunksOf("a\nb\nc", "a\nb\nc")).toEqual([]);
  expect(hunksOf("a\nb\nc\nd", "a\nx\nc")).toEqual([
    { docker: ["b"], shoal: ["x"] },
    { docker: ["d"], shoal: [] },
  ]);
});

describe("the table", () => {
  const rows = parseDifferences(
    [
      "| sequence | Docker says | Shoal says | why |",
      "| --- | --- | --- | --- |",
      "| one | `a … b` | `x` `y` | because |",
      "| * | | `z \\| z` | always |",
    ].join("\n"),
  );
  const [first, second] = rows;

  test("explains a hunk when it knows each of its lines", () => {
    expect(explain({ docker: ["a 1 b"], shoal: ["  y"] }, "one", rows)).toEqual([first]);
    expect(explain({ docker: [], shoal: ["z | z"] }, "two", rows)).toEqual([second]);
    expect(explain({ docker: ["a 1 c"], shoal: ["y"] }, "one", rows)).toBeUndefined();
    expect(explain({ docker: ["a 1 b"], shoal: [] }, "two", rows)).toBeUndefined();
  });

  test("has a reason in every row", () => {
    expect(() => parseDifferences("| one | `a` | `b` | |")).toThrow("not a row");
  });

  test("is scored, and told of rows that explain nothing any more", () => {
    const [sequence] = parseSequences("# one: about\nservice ls");
    const hunk = { docker: ["a 1 b"], shoal: [] };
    const known = { sequence: sequence!, findings: [{ step: "", hunk, rows: [first!] }] };
    const open = { sequence: sequence!, findings: [{ step: "", hunk, rows: undefined }] };
    const equal = { sequence: sequence!, findings: [] };
    expect(scoreOf([known, open, equal])).toEqual({ equal: 1, known: 1, unexplained: 1, commands: 3 });
    expect(staleRows([known], rows, true)).toEqual([second]);
    expect(staleRows([equal], rows, false)).toEqual([first]);
    expect(staleRows([known], rows, false)).toEqual([]);
  });
});
