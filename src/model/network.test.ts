import { expect, test } from "vitest";
import { isOtherNetwork, type Network } from "./network.ts";
import { aNetwork } from "./objects.fake.ts";

/** A network of two subnets in each family, where addresses were given up to these. */
function given(first: string, second: string, second6: string): Network {
  const state = {
    ...{ subnet: "10.1.0.0/29", gateway: "10.1.0.1", vni: 4097, cursor: first },
    more: [{ subnet: "10.2.0.0/29", gateway: "10.2.0.1", cursor: second }],
    v6: {
      ...{ subnet: "fd00:1::/64", gateway: "fd00:1::1" },
      more: [{ subnet: "fd00:2::/64", gateway: "fd00:2::1", cursor: second6 }],
    },
  };
  return aNetwork("wide", {}, { state });
}

test("an address given, of any subnet, makes no other network; another subnet does", () => {
  const before = given("10.1.0.2", "10.2.0.2", "fd00:2::2");
  expect(isOtherNetwork(before, given("10.1.0.3", "10.2.0.2", "fd00:2::2"))).toBe(false);
  expect(isOtherNetwork(before, given("10.1.0.2", "10.2.0.3", "fd00:2::2"))).toBe(false);
  expect(isOtherNetwork(before, given("10.1.0.2", "10.2.0.2", "fd00:2::3"))).toBe(false);
  const { state } = before;
  const less = state && { ...state, more: [] };
  expect(isOtherNetwork(before, { ...before, ...(less && { state: less }) })).toBe(true);
});
