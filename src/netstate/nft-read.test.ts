import { expect, test } from "vitest";
import { parseRuleset } from "./nft-read.ts";

/** As nft 1.0.6 prints it: `nft -s list ruleset`. */
const PRINTED = `table ip sh-lb {
	set self {
		type ipv4_addr . ipv4_addr
		elements = { 10.0.1.7 . 10.0.1.7 }
	}

	map vips {
		type ipv4_addr : verdict
		elements = { 10.0.1.5 : goto vip-web,
			     10.0.1.6 : goto vip-db }
	}

	map empty {
		type inet_proto . inet_service : ipv4_addr . inet_service
	}

	chain vip-db {
		dnat to 10.0.1.9
	}

	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr vmap @vips
	}
}
table inet firewall {
	set allowed {
		type ipv4_addr
		flags interval
		elements = { 10.0.0.0/8, 192.168.0.0/16 }
	}

	chain forward {
		type filter hook forward priority filter - 5; policy drop;
		ct state vmap { established : accept, related : accept }
		ip saddr @allowed accept
	}
}
table bridge other {
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
}
`;

test("a ruleset is read with sets and maps of several lines, others' tables too, those of IP alone", () => {
  const [own, other, ...more] = parseRuleset(PRINTED);
  expect(more).toEqual([]);
  expect(own?.sets).toEqual([
    { name: "self", type: "ipv4_addr . ipv4_addr", elements: ["10.0.1.7 . 10.0.1.7"] },
  ]);
  expect(own?.maps).toEqual([
    {
      name: "vips",
      key: "ipv4_addr",
      value: "verdict",
      elements: { "10.0.1.5": "goto vip-web", "10.0.1.6": "goto vip-db" },
    },
    { name: "empty", key: "inet_proto . inet_service", value: "ipv4_addr . inet_service", elements: {} },
  ]);
  const base = { type: "nat", hook: "prerouting", priority: "dstnat", policy: "accept" };
  expect(own?.chains).toEqual([
    { name: "vip-db", rules: ["dnat to 10.0.1.9"] },
    { name: "prerouting", base, rules: ["ip daddr vmap @vips"] },
  ]);
  expect(other?.sets[0]?.elements).toEqual(["10.0.0.0/8", "192.168.0.0/16"]);
  expect(other?.chains[0]).toEqual({
    name: "forward",
    base: { type: "filter", hook: "forward", priority: "filter - 5", policy: "drop" },
    rules: ["ct state vmap { established : accept, related : accept }", "ip saddr @allowed accept"],
  });
});
