import { expect, test } from "vitest";
import { changedDraws } from "./nft-draw.ts";
import type { NftChain, NftTable } from "./node-network.ts";

const table = (chains: readonly NftChain[], change: Partial<NftTable> = {}): NftTable => ({
  ...{ family: "ip", name: "sh-lb", sets: [], maps: [], chains },
  ...change,
});
const draw = (name: string, ...backends: string[]): NftChain => ({
  name,
  rules: [
    `dnat to numgen inc mod ${backends.length} map { ${backends.map((b, i) => `${i} : ${b}`).join(", ")} }`,
  ],
});
const port = (...places: string[]): NftChain => ({
  name: "port",
  rules: [
    `meta l4proto udp dnat ip to numgen inc mod ${places.length} map { ${places.map((p, i) => `${i} : ${p}`).join(", ")} }`,
  ],
});
const base: NftChain = {
  name: "prerouting",
  base: { type: "nat", hook: "prerouting", priority: "dstnat", policy: "accept" },
  rules: ["ip daddr vmap @vips"],
};

test("of chains that draw, those that differ, with what they draw", () => {
  const from = table([draw("a", "10.0.0.1", "10.0.0.2"), draw("b", "10.0.0.3", "10.0.0.4"), base]);
  const same = { ...from.chains[1]!, rules: [...from.chains[1]!.rules] };
  const to = table([draw("a", "10.0.0.1", "10.0.0.2", "10.0.0.9"), same, base]);
  expect(changedDraws(from, to)).toEqual([{ chain: "a", backends: ["10.0.0.1", "10.0.0.2", "10.0.0.9"] }]);
  const ported = [port("10.0.0.1 . 53", "10.0.0.2 . 53"), port("10.0.0.2 . 53", "10.0.0.7 . 53")] as const;
  expect(changedDraws(table([ported[0]]), table([ported[1]]))).toEqual([
    { chain: "port", port: { protocol: "udp", target: 53 }, backends: ["10.0.0.2", "10.0.0.7"] },
  ]);
});

test("whatever else differs, it is no matter of draws", () => {
  const from = table([draw("a", "10.0.0.1", "10.0.0.2"), base]);
  const a = draw("a", "10.0.0.1", "10.0.0.3");
  const others: NftTable[] = [
    table([a, base, draw("b", "10.0.0.3", "10.0.0.4")]),
    table([base, a]),
    table([a, { ...base, rules: [] }]),
    table([{ name: "a", rules: ["dnat to 10.0.0.1"] }, base]),
    table([{ name: "a", rules: [] }, base]),
    table([a, base], { sets: [{ name: "self", type: "ipv4_addr", elements: ["10.0.0.1"] }] }),
    table([port("10.0.0.1 . 53", "10.0.0.2 . 54"), base]),
  ];
  for (const to of others) expect(changedDraws(from, to)).toBeUndefined();
  const inet = { family: "inet" } as const;
  expect(changedDraws({ ...from, ...inet }, table([a, base], inet))).toBeUndefined();
});
