import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { planNetwork } from "../../src/dataplane/index.ts";
import { SCENARIOS, TAG } from "../../src/dataplane/scenarios.fake.ts";
import { formatTable } from "../../src/netstate/index.ts";
import { exec, execOk } from "../../src/sys/index.ts";

/** The real nft takes every table of the pages under docs/rulesets, in a namespace of its own, and prints what it took. */

const netns = `shoal-rulesets-${process.pid}`;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "rulesets-"));
  await execOk(["ip", "netns", "add", netns]);
});

afterAll(async () => {
  await exec(["ip", "netns", "delete", netns]);
  rmSync(folder, { recursive: true, force: true });
});

const nft = (...args: string[]): Promise<string> => execOk(["ip", "netns", "exec", netns, "nft", ...args]);

/** Rules as nft itself would write them, comparable to ours: runs of white space are one space. */
const squeezed = (text: string): string => text.replace(/\s+/g, " ").trim();

const tables = SCENARIOS.flatMap(({ name, facts }) =>
  Object.entries(planNetwork(facts, { tag: TAG }).namespaces).flatMap(([at, namespace]) =>
    namespace.tables.map((table) => ({ where: `${name}: ${at}: ${table.name}`, table })),
  ),
);

test.each(tables)("$where", async ({ table }) => {
  const file = join(folder, "table.nft");
  writeFileSync(file, `flush ruleset\n${formatTable(table)}`);
  await nft("-c", "-f", file);
  await nft("-f", file);
  const listed = squeezed(await nft("list", "table", table.family, table.name));
  for (const chain of table.chains) {
    expect(listed).toContain(`chain ${chain.name} {`);
    for (const rule of chain.rules) expect(listed).toContain(squeezed(rule));
  }
  for (const map of table.maps) {
    for (const key of Object.keys(map.elements)) expect(listed).toContain(`${key} : `);
  }
  for (const set of table.sets) for (const element of set.elements) expect(listed).toContain(element);
});
