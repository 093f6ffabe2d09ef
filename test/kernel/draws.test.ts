import { afterAll, beforeAll, expect, test } from "vitest";
import { NETLINK_NETFILTER, NetlinkSocket, type Request } from "../../src/kernel/netlink/socket.ts";
import { NftTables } from "../../src/kernel/nft-tables.ts";
import type { NftTable } from "../../src/netstate/index.ts";
import { makeTestHost, type TestHost } from "../support/netns.ts";

/** Draws that the kernel is told straight are what nft would have made of the same rule, and others' changes in between are seen. */

class CountingSocket extends NetlinkSocket {
  transactions = 0;

  override transact(subsystem: number, generation: number, requests: readonly Request[]) {
    this.transactions++;
    return super.transact(subsystem, generation, requests);
  }
}

type Family = "ip" | "ip6";
const addresses = (family: Family, count: number, first = 0): string[] =>
  Array.from({ length: count }, (_, i) =>
    family === "ip"
      ? `10.0.${(first + i) >> 8}.${(first + i) & 255}`
      : `fd00:1::1:${(first + i + 1).toString(16)}`,
  );

function balancer(family: Family, backends: readonly string[]): NftTable {
  const map = (values: readonly string[]) => values.map((value, i) => `${i} : ${value}`).join(", ");
  const draw = `numgen inc mod ${backends.length} map`;
  const places = backends.map((address) => `${address} . 8080`);
  const key = family === "ip" ? "10.9.0.1" : "fd00:9::1";
  const type = family === "ip" ? "ipv4_addr" : "ipv6_addr";
  return {
    ...{ family, name: "sh-lb", sets: [] },
    maps: [{ name: "vips", key: type, value: "verdict", elements: { [key]: "goto vip" } }],
    chains: [
      { name: "vip", rules: [`dnat to ${draw} { ${map(backends)} }`] },
      { name: "port", rules: [`meta l4proto udp dnat ${family} to ${draw} { ${map(places)} }`] },
      { name: "other", rules: [`dnat to ${backends[0]}`] },
      {
        name: "prerouting",
        base: { type: "nat", hook: "prerouting", priority: "dstnat", policy: "accept" },
        rules: [`${family} daddr vmap @vips`, "meta l4proto udp jump port"],
      },
    ],
  };
}

/** The first address, which chain "other" has, stays. */
const CHANGES: readonly (readonly [family: Family, before: number, after: number])[] = [
  ["ip", 2, 3],
  ["ip", 1_000, 1_001],
  ["ip", 10_001, 10_000],
  ["ip6", 2, 3],
  ["ip6", 3_000, 2_999],
];

let host: TestHost;

beforeAll(async () => {
  host = await makeTestHost();
});

afterAll(() => host.dispose());

const inHost = (work: (tables: NftTables, socket: CountingSocket) => void): void =>
  host.inside(() => {
    const socket = new CountingSocket(NETLINK_NETFILTER);
    const tables = new NftTables(socket, { tag: "sh", shared: false });
    try {
      work(tables, socket);
    } finally {
      tables.close();
      socket.close();
    }
  });
const listed = (family: Family): Promise<string> => host.run(["nft", "-s", "list", "table", family, "sh-lb"]);
const flush = (): Promise<string> => host.run(["nft", "flush", "ruleset"]);

test.each(CHANGES)("%s: from %i backends to %i", async (family, before, after) => {
  await flush();
  const [from, to] = [
    balancer(family, addresses(family, before)),
    balancer(family, addresses(family, after)),
  ];
  inHost((tables, socket) => {
    tables.read();
    tables.put(from);
    tables.change(from, to);
    expect(socket.transactions).toBe(1);
    expect(tables.isSettled()).toBe(true);
    expect(tables.read()).toEqual({ tables: [to], strange: [] });
  });
  const drawn = await listed(family);
  await flush();
  inHost((tables) => tables.put(to));
  expect(drawn).toBe(await listed(family));
});

test("one change after another needs nft no more than one", async () => {
  await flush();
  const [first = balancer("ip", []), ...more] = [3, 4, 5, 5, 4].map((count, i) =>
    balancer("ip", addresses("ip", count, i)),
  );
  let last = first;
  inHost((tables, socket) => {
    tables.read();
    tables.put(first);
    // Chain "other", which is no draw, is as it was.
    for (const each of more) {
      const next = { ...each, chains: each.chains.map((chain, i) => (i === 2 ? first.chains[2]! : chain)) };
      tables.change(last, next);
      last = next;
    }
    expect(socket.transactions).toBe(more.length);
    expect(tables.read()).toEqual({ tables: [last], strange: [] });
  });
  const drawn = await listed("ip");
  await flush();
  inHost((tables) => tables.put(last));
  expect(drawn).toBe(await listed("ip"));
});

test("what others have changed meanwhile is put right in the same step", async () => {
  await flush();
  const [from, to] = [balancer("ip", addresses("ip", 3)), balancer("ip", addresses("ip", 4))];
  const socket = host.inside(() => new CountingSocket(NETLINK_NETFILTER));
  const tables = new NftTables(socket, { tag: "sh", shared: false });
  host.inside(() => {
    tables.read();
    tables.put(from);
    tables.catchUp();
  });
  await host.run(["nft", "add", "rule", "ip", "sh-lb", "other", "drop"]);
  host.inside(() => tables.change(from, to));
  expect(socket.transactions).toBe(1);
  const healed = await listed("ip");
  tables.close();
  socket.close();
  await flush();
  inHost((fresh) => fresh.put(to));
  expect(healed).toBe(await listed("ip"));
});

test("when the kernel refuses it, nothing of it is done, and nft does it", async () => {
  await flush();
  const [from, to] = [balancer("ip", addresses("ip", 3)), balancer("ip", addresses("ip", 4))];
  inHost((tables, socket) => {
    tables.read();
    tables.put(from);
    const strange = { type: 0xaff, flags: 0, body: [Buffer.from([2, 0, 0, 0])] };
    const asked = socket.transact.bind(socket);
    socket.transact = (subsystem, generation, requests) =>
      asked(subsystem, generation, [...requests, strange]);
    expect(socket.transact(10, 0, [])).toBeDefined();
    tables.change(from, to);
    expect(tables.read().tables).toEqual([to]);
  });
  expect(await listed("ip")).toContain("mod 4 map");
});
