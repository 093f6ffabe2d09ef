import { expect, test } from "vitest";
import { isWithin, placeIn, subnetsOf, subnetWith } from "./subnets.ts";

test.each<[string, string, boolean]>([
  ["10.0.1.5", "10.0.1.0/24", true],
  ["10.0.2.5", "10.0.1.0/24", false],
  ["fd00:1::5", "fd00:1::/64", true],
  ["fd00:2::5", "fd00:1::/64", false],
  ["10.0.1.5", "fd00:1::/64", false],
  ["fd00:1::5", "10.0.1.0/24", false],
  ["here", "10.0.1.0/24", false],
  ["10.0.1.5", "", false],
])("%s is within %s: %s", (address, subnet, expected) => {
  expect(isWithin(address, subnet)).toBe(expected);
});

const first = { subnet: "10.0.1.0/29", gateway: "10.0.1.1" };
const second = { subnet: "10.9.0.0/24", gateway: "10.9.0.254" };
const both = { ...first, more: [second] };

test("an address is of its own subnet, with that one's length and router", () => {
  expect(subnetsOf(first)).toEqual([first]);
  expect(subnetsOf(both)).toEqual([both, second]);
  expect(subnetWith(both, "10.9.0.7")).toBe(second);
  expect(subnetWith(both, "10.0.1.2")).toBe(both);
  expect(placeIn(both, "10.0.1.2")).toEqual({ address: "10.0.1.2/29", gateway: "10.0.1.1" });
  expect(placeIn(both, "10.9.0.7")).toEqual({ address: "10.9.0.7/24", gateway: "10.9.0.254" });
  const six = { subnet: "fd00:1::/64", gateway: "fd00:1::1" };
  expect(placeIn(six, "fd00:1::7").address).toBe("fd00:1::7/64");
  expect(() => placeIn({ subnet: "none", gateway: "" }, "10.0.1.2")).toThrow("CIDR");
});
