import { expect, test } from "vitest";
import { changeTable, formatTable, replaceTable } from "./nft-text.ts";
import type { NftTable } from "./node-network.ts";

const table = (backends: readonly string[], change: Partial<NftTable> = {}): NftTable => ({
  family: "ip",
  name: "sh-lb",
  sets: [{ name: "self", type: "ipv4_addr . ipv4_addr", elements: backends.map((b) => `${b} . ${b}`) }],
  maps: [{ name: "vips", key: "ipv4_addr", value: "verdict", elements: { "10.0.1.5": "goto vip-vote" } }],
  chains: [
    { name: "vip-vote", rules: backends.map((b) => `dnat to ${b}`) },
    {
      name: "prerouting",
      base: { type: "nat", hook: "prerouting", priority: "dstnat", policy: "accept" },
      rules: ["ip daddr vmap @vips"],
    },
  ],
  ...change,
});

test("a table as nft reads it", () => {
  expect(formatTable(table(["10.0.1.7"]))).toBe(`table ip sh-lb {
  set self {
    type ipv4_addr . ipv4_addr
    elements = { 10.0.1.7 . 10.0.1.7 }
  }
  map vips {
    type ipv4_addr : verdict
    elements = { 10.0.1.5 : goto vip-vote }
  }
  chain vip-vote {
    dnat to 10.0.1.7
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr vmap @vips
  }
}
`);
});

test("a flow table stands before the rules that name it; another device makes the table anew", () => {
  const fast = (devices: readonly string[]) => table([], { flowtables: [{ name: "ways", devices }] });
  expect(formatTable(fast(["sh-t1", "sh-v4097"]))).toContain(`
  flowtable ways {
    hook ingress priority filter;
    devices = { sh-t1, sh-v4097 };
  }
  chain vip-vote {`);
  expect(changeTable(fast(["sh-t1"]), fast(["sh-t1"]))).toBe("");
  expect(changeTable(fast(["sh-t1"]), fast(["sh-t2"]))).toBe(replaceTable(fast(["sh-t2"])));
});

test("one more backend: its element, and the rules of its service's chain", () => {
  expect(changeTable(table(["10.0.1.7"]), table(["10.0.1.7", "10.0.1.8"]))).toBe(
    `add element ip sh-lb self { 10.0.1.8 . 10.0.1.8 }
flush chain ip sh-lb vip-vote
add rule ip sh-lb vip-vote dnat to 10.0.1.7
add rule ip sh-lb vip-vote dnat to 10.0.1.8
`,
  );
});

test("a service comes and another goes: chains before who names them, and after", () => {
  const [, prerouting] = table([]).chains;
  const other = table(["10.0.1.7"], {
    maps: [{ name: "vips", key: "ipv4_addr", value: "verdict", elements: { "10.0.1.6": "goto vip-redis" } }],
    chains: [{ name: "vip-redis", rules: ["dnat to 10.0.1.9"] }, ...(prerouting ? [prerouting] : [])],
  });
  expect(changeTable(table(["10.0.1.7"]), other)).toBe(`add chain ip sh-lb vip-redis
delete element ip sh-lb vips { 10.0.1.5 }
add element ip sh-lb vips { 10.0.1.6 : goto vip-redis }
flush chain ip sh-lb vip-redis
add rule ip sh-lb vip-redis dnat to 10.0.1.9
flush chain ip sh-lb vip-vote
delete chain ip sh-lb vip-vote
`);
});

test("another skeleton replaces the table, whether or not it is there", () => {
  const more = table(["10.0.1.7"], { sets: [] });
  expect(changeTable(table(["10.0.1.7"]), more)).toBe(replaceTable(more));
  expect(replaceTable(more)).toMatch(/^add table ip sh-lb\ndelete table ip sh-lb\ntable ip sh-lb \{\n/);
});

test("nothing to change is no command", () => {
  expect(changeTable(table(["10.0.1.7"]), table(["10.0.1.7"]))).toBe("");
});
