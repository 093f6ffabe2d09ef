import { afterAll, beforeAll, expect, test } from "vitest";
import { planNetwork } from "../../src/dataplane/index.ts";
import type { Kernel } from "../../src/kernel/index.ts";
import { HOST, type NftTable, type NodeNetwork } from "../../src/netstate/index.ts";
import { explain } from "../../src/trace/index.ts";
import { makeTestHost, type TestHost } from "../support/netns.ts";
import { type ClusterSketch, factsOf } from "../support/network-facts.ts";
import { TALKERS } from "../support/sketches.ts";

/** What the kernel is told is what is read back, to the last rule; and a trace of both says the same. */

const SKETCH: ClusterSketch = { ...TALKERS, dual: true };
const FACTS = factsOf(SKETCH, 1);
const WANTED = planNetwork(FACTS, { tag: "sh" });

let host: TestHost;
let kernel: Kernel;

beforeAll(async () => {
  host = await makeTestHost();
  kernel = host.kernel();
  expect((await kernel.apply(WANTED)).failures).toEqual([]);
});

afterAll(async () => {
  await kernel.destroy();
  await host.dispose();
});

const tablesOf = ({ namespaces }: NodeNetwork) =>
  Object.entries(namespaces).map(([name, { tables }]) => [name, [...tables].map(plain).sort(byName)]);
const byName = (a: NftTable, b: NftTable) => (`${a.family} ${a.name}` < `${b.family} ${b.name}` ? -1 : 1);
/** Order of elements and of chains has no meaning. */
const plain = (table: NftTable): NftTable => ({
  ...table,
  sets: table.sets.map((set) => ({ ...set, elements: [...set.elements].sort() })),
  chains: [...table.chains].sort((a, b) => (a.name < b.name ? -1 : 1)),
});

test("every table of a plan is read back in the words of the plan", async () => {
  expect(tablesOf(await kernel.observe(WANTED))).toEqual(tablesOf(WANTED));
});

const QUESTIONS = [
  ["192.0.2.50", "192.168.7.1:8080"],
  ["192.0.2.50", "192.168.7.1:8080/udp"],
  ["192.0.2.50", "192.168.7.1:9000"],
  ["192.0.2.50", ":8081"],
  ["host", ":8080"],
  ["client11", "vote"],
  ["client11", "echo:7"],
  ["client11", "void"],
  ["client11", "[fd00:1::5]:80"],
  ["vote1111", "vote"],
  ["lonely11", "echo"],
  ["client11", "192.0.2.1:443"],
] as const;

test.each(QUESTIONS)(
  "%s to %s: the kernel's state tells what the plan tells",
  async (client, destination) => {
    const ground = { facts: FACTS, own: ["192.168.7.1"], listening: new Set<string>() };
    const told = explain(await kernel.observe(WANTED), ground, { client, destination });
    expect(told).toEqual(explain(WANTED, ground, { client, destination }));
    expect(told.paths.length).toBeGreaterThan(0);
  },
);

test("a namespace that is gone is not in it, and others' tables are", async () => {
  const more = { ...WANTED.namespaces, "net-gone": { ...WANTED.namespaces[HOST] } };
  const commands = [
    "nft add table inet firewall",
    "nft add chain inet firewall forward { type filter hook forward priority 0 ; policy drop ; }",
  ];
  for (const command of commands) await host.run(command.split(" ") as [string, ...string[]]);
  const { namespaces } = await kernel.observe({ namespaces: more } as NodeNetwork);
  expect(Object.keys(namespaces).sort()).toEqual(Object.keys(WANTED.namespaces).sort());
  const base = { type: "filter", hook: "forward", priority: "filter", policy: "drop" };
  const foreign = { family: "inet", name: "firewall", sets: [], maps: [] };
  expect(namespaces[HOST]?.tables).toContainEqual({
    ...foreign,
    chains: [{ name: "forward", base, rules: [] }],
  });
});
