import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anyNetwork, anyTable } from "../../src/kernel/networks.contract.ts";
import { EMPTY_NAMESPACE, HOST, type NftTable } from "../../src/netstate/index.ts";
import { makeTestHost, type TestHost } from "../support/netns.ts";

/** Random values on the real kernel. */

let host: TestHost;
let other: TestHost;

beforeAll(async () => {
  host = await makeTestHost();
  other = await makeTestHost();
});

afterAll(async () => {
  await host.dispose();
  await other.dispose();
});

test("from any network to any other: applied, there is nothing left to repair, also for a successor", async () => {
  await fc.assert(
    fc.asyncProperty(anyNetwork, anyNetwork, anyNetwork, async (one, two, three) => {
      const kernel = host.kernel();
      for (const wanted of [one, two, three]) {
        expect((await kernel.apply(wanted)).failures).toEqual([]);
        expect(await kernel.sweep(wanted)).toEqual([]);
      }
      const next = host.kernel();
      const news = (await next.sweep(three)).filter((line) => !/: put table /.test(line));
      expect(news).toEqual([]);
      await next.destroy();
      expect(await host.run(["ip", "-br", "link"])).toMatch(/^lo .*\n$/);
    }),
    { numRuns: 12 },
  );
});

/** What nft prints of the table, without the order of chains, which is that of their making. */
async function chainsOf(of: TestHost): Promise<string[]> {
  const text = await of.run(["nft", "list", "table", "ip", "sh-t"]);
  return text
    .split(/\n\n/)
    .map((block) => block.replace(/^table .*\n|\n}\n$/g, "").trim())
    .sort((a, b) => (a < b ? -1 : 1));
}

test("a table changed step by step is the table made at once", async () => {
  const kernel = host.kernel();
  const fresh = other.kernel();
  const as = (table: NftTable) => ({ namespaces: { [HOST]: { ...EMPTY_NAMESPACE, tables: [table] } } });
  await fc.assert(
    fc.asyncProperty(fc.array(anyTable("sh-t"), { minLength: 2, maxLength: 6 }), async (tables) => {
      for (const table of tables) expect((await kernel.apply(as(table))).failures).toEqual([]);
      await fresh.destroy();
      const last = tables.at(-1);
      if (last !== undefined) await fresh.apply(as(last));
      expect(await chainsOf(host)).toEqual(await chainsOf(other));
    }),
    { numRuns: 12 },
  );
  await kernel.destroy();
});
