import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { flagsIn } from "../src/wire/service-flags.fake.ts";
import { STORIES } from "./support/flag-stories.ts";
import { FLAG_EXAMPLES } from "./support/wire-testdata.ts";

/** Every flag of `docker service create` and `update` has a test that sees what it does. */

type Verb = "create" | "update";

/** Flags that no table has: the test file of the e2e lane that sees what they do. */
const ELSEWHERE: Readonly<Record<Verb, Readonly<Record<string, string>>>> = {
  create: {
    ...at(
      "flag-services",
      `constraint credential-spec max-concurrent mode network placement-pref publish replicas replicas-max-per-node
       restart-condition restart-delay restart-max-attempts restart-window rollback-delay rollback-failure-action
       rollback-max-failure-ratio rollback-monitor rollback-order rollback-parallelism update-delay
       update-failure-action update-max-failure-ratio update-monitor update-order update-parallelism`,
    ),
    ...at("network-flags", "endpoint-mode"),
    ...at("secrets", "config secret"),
  },
  update: {
    ...at(
      "flag-services",
      `config-add constraint-add constraint-rm credential-spec isolation max-concurrent network-add network-rm placement-pref-add
       placement-pref-rm publish-add publish-rm replicas replicas-max-per-node restart-condition restart-delay
       restart-max-attempts restart-window rollback-delay rollback-failure-action rollback-max-failure-ratio
       rollback-monitor rollback-order rollback-parallelism update-delay update-failure-action
       update-max-failure-ratio update-monitor update-order update-parallelism`,
    ),
    ...at("network-flags", "endpoint-mode"),
    ...at("secrets", "config-rm secret-add secret-rm"),
  },
};

function at(file: string, names: string): Record<string, string> {
  return Object.fromEntries(
    names
      .trim()
      .split(/\s+/)
      .map((name) => [`--${name}`, file]),
  );
}

const stages = {
  create: STORIES.map(({ create }) => create),
  update: STORIES.flatMap(({ updates }) => updates),
};
const sentences = {
  create: FLAG_EXAMPLES.map(({ create }) => create),
  update: FLAG_EXAMPLES.flatMap(({ update }) => update),
};

describe.each(["create", "update"] as const)("docker service %s", (verb) => {
  const inRows = new Set(stages[verb].flatMap(({ rows }) => rows.flatMap(([flags]) => flagsIn(flags))));

  test("each flag is seen in a row or in another file", () => {
    const all = [...new Set(sentences[verb].flatMap(flagsIn))];
    expect(all.filter((flag) => !inRows.has(flag) && ELSEWHERE[verb][flag] === undefined)).toEqual([]);
  });

  test("rows are about the flags of their command, and about all of them", () => {
    for (const { words, rows } of stages[verb]) {
      const seen = new Set(rows.flatMap(([flags]) => flagsIn(flags)));
      expect([...seen].sort(), words).toEqual([...new Set(flagsIn(words))].sort());
    }
  });

  test.each(Object.entries(ELSEWHERE[verb]))("%s is used in %s.test.ts", (flag, file) => {
    const text = readFileSync(join(import.meta.dirname, `e2e/${file}.test.ts`), "utf8");
    expect(text).toMatch(new RegExp(`${flag}(?![a-z-])`));
  });
});
