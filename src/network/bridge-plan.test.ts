import fc from "fast-check";
import { expect, test } from "vitest";
import { overlaps, requireCidr } from "../lib/index.ts";
import type { IpamConfig } from "../model/index.ts";
import { AddressPool } from "./address-pool.ts";
import { aBridge } from "./bridge-networks.fake.ts";
import { planBridge } from "./bridge-plan.ts";

const plan = (
  ipam: readonly IpamConfig[],
  networks: readonly string[] = [],
  elsewhere: readonly string[] = [],
) =>
  planBridge(aBridge("app", { ipam, ipv6: ipam.some(({ subnet = "" }) => subnet.includes(":")) }), {
    ...{ id: "n", createdAt: 0 },
    taken: { networks, elsewhere },
  });

test("subnets that nobody asked for are Docker's, clear of networks and of where the node's routes lead", () => {
  expect(plan([])).toMatchObject({ subnet: "172.17.0.0/16", gateway: "172.17.0.1" });
  expect(plan([], ["172.17.0.0/16"], ["172.18.9.0/24", "172.19.0.0/16"]).subnet).toBe("172.20.0.0/16");
  expect(plan([], [], ["172.16.0.0/12"])).toMatchObject({ subnet: "192.168.0.0/20", gateway: "192.168.0.1" });
  expect(() => plan([], ["172.16.0.0/12"], ["192.168.0.0/16"])).toThrow(
    "all predefined address pools have been fully subnetted",
  );
});

test("what is asked for is given if it fits, wherever the node's routes lead", () => {
  const asked = { subnet: "10.9.7.3/24", gateway: "10.9.7.254", ipRange: "10.9.7.128/25" };
  expect(plan([asked], [], ["10.0.0.0/8"])).toMatchObject({ subnet: "10.9.7.0/24", gateway: "10.9.7.254" });
  expect(plan([{ subnet: "fd00:9::/64" }])).toMatchObject({
    subnet: "172.17.0.0/16",
    v6: { subnet: "fd00:9::/64", gateway: "fd00:9::1" },
  });
  const refused: readonly (readonly [IpamConfig, string])[] = [
    [{ subnet: "172.17.4.0/24" }, "Pool overlaps with other one on this address space"],
    [{ subnet: "fd00:1::/60" }, "Pool overlaps with other one on this address space"],
    [{ subnet: "10.0.0.0/31" }, "it has no room for containers"],
    [{ subnet: "fd00:9::/127" }, "it has no room for containers"],
    [{ subnet: "fd53:686f:616c:1::/64" }, "Pool overlaps with other one on this address space"],
    ...["fe80::/64", "::/0", "0.0.0.0/0", "127.5.0.0/16", "224.1.0.0/16"].map(
      (subnet) => [{ subnet }, "Pool overlaps with other one on this address space"] as const,
    ),
    [{ subnet: "ten" }, "invalid subnet ten: invalid CIDR"],
    [{ subnet: "10.9.0.0/24", gateway: "10.8.0.1" }, "no matching subnet for gateway 10.8.0.1"],
    [{ subnet: "10.9.0.0/24", ipRange: "10.8.0.0/25" }, "no matching subnet for range 10.8.0.0/25"],
    [{ subnet: "10.9.0.0/24", auxAddresses: { a: "10.8.0.1" } }, "no matching subnet for gateway 10.8.0.1"],
  ];
  for (const [words, message] of refused)
    expect(() => plan([words], ["172.17.0.0/16", "fd00:1::/64"])).toThrow(message);
});

test("an MTU that IPv6 does not fit into is refused where there is IPv6", () => {
  const made = (mtu: string, ipv6: boolean) => {
    const options = { "com.docker.network.driver.mtu": mtu };
    const spec = aBridge("app", { ipv6, options, ipam: ipv6 ? [{ subnet: "fd00:9::/64" }] : [] });
    return planBridge(spec, { id: "n", createdAt: 0, taken: { networks: [], elsewhere: [] } });
  };
  expect(() => made("1279", true)).toThrow(
    "invalid value for com.docker.network.driver.mtu: 1279: IPv6 needs 1280",
  );
  expect(made("1280", true).v6?.subnet).toBe("fd00:9::/64");
  expect(made("1000", false).v6).toBeUndefined();
});

test("no two networks have an address in common, whatever is taken", () => {
  const subnets = fc.array(fc.tuple(fc.nat(255), fc.integer({ min: 12, max: 24 })), { maxLength: 12 });
  fc.assert(
    fc.property(subnets, (others) => {
      const taken = others.map(([second, bits]) => `172.${second}.0.0/${bits}`);
      const { subnet } = plan([], taken);
      for (const other of taken) expect(overlaps(requireCidr(subnet), requireCidr(other))).toBe(false);
    }),
  );
});

test("a pool gives the lowest free address of its range, never one that is kept, and one that is wanted from all of it", () => {
  const pool = new AddressPool("10.9.0.0/24", ["10.9.0.1", "10.9.0.9"], "10.9.0.8/30");
  expect(["a", "b", "a", "c"].map((owner) => pool.give(owner))).toEqual([
    ...["10.9.0.8", "10.9.0.10", "10.9.0.8", "10.9.0.11"],
  ]);
  expect(() => pool.give("d")).toThrow("no available IPv4 addresses on this network's address pools");
  const full = new AddressPool("fd00::/126", ["fd00::1", "fd00::2", "fd00::3"]);
  expect(() => full.give("a")).toThrow("no available IPv6 addresses on this network's address pools");
  expect(pool.give("d", "10.9.0.200")).toBe("10.9.0.200");
  expect(() => pool.give("e", "10.9.0.255")).toThrow("does not belong to any of this network's subnets");
  pool.release("b");
  expect(pool.give("e")).toBe("10.9.0.10");
  const six = new AddressPool("fd00::/64", ["fd00::1"]);
  expect([six.give("a"), six.give("b", "fd00::00ff"), six.give("c")]).toEqual([
    "fd00::2",
    "fd00::ff",
    "fd00::3",
  ]);
});
