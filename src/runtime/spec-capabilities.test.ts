import { expect, test } from "vitest";
import { capabilitiesFor, capabilitiesOf, DEFAULT_CAPABILITIES } from "./spec-capabilities.ts";

const every = capabilitiesOf("1ffffffffff");
const here = capabilitiesOf("1fffeffffff");

test("a mask is read by the kernel's numbers", () => {
  expect([...capabilitiesOf("1")]).toEqual(["CAP_CHOWN"]);
  expect([...capabilitiesOf("10000000000")]).toEqual(["CAP_CHECKPOINT_RESTORE"]);
  expect(every.size).toBe(41);
  expect(every.has("CAP_SYS_RESOURCE") && !here.has("CAP_SYS_RESOURCE")).toBe(true);
});

test.each<[string, string[], string[], readonly string[]]>([
  ["the default ones", [], [], DEFAULT_CAPABILITIES],
  ["one more", ["net_admin"], [], [...DEFAULT_CAPABILITIES, "CAP_NET_ADMIN"]],
  ["one less", [], ["CAP_CHOWN"], DEFAULT_CAPABILITIES.filter((c) => c !== "CAP_CHOWN")],
  ["none", [], ["ALL"], []],
  ["only one", ["CHOWN"], ["all"], ["CAP_CHOWN"]],
  ["all", ["ALL"], [], [...here]],
  ["all but one", ["ALL"], ["KILL"], [...here].filter((c) => c !== "CAP_KILL")],
])("%s", (_, add, drop, expected) => {
  expect(new Set(capabilitiesFor(add, drop, here))).toEqual(new Set(expected));
});

test("what is unknown, or not to be had here, is refused", () => {
  expect(() => capabilitiesFor(["FLY"], [], here)).toThrow('invalid CapAdd: unknown capability: "CAP_FLY"');
  expect(() => capabilitiesFor([], ["FLY"], here)).toThrow('invalid CapDrop: unknown capability: "CAP_FLY"');
  expect(() => capabilitiesFor(["SYS_RESOURCE"], [], here)).toThrow(
    'capability not supported by your kernel or not available in the current environment: "CAP_SYS_RESOURCE"',
  );
});
