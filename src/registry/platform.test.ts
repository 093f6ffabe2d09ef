import { expect, test } from "vitest";
import { choosePlatform, formatPlatform, matchesPlatform, parsePlatform } from "./platform.ts";

const choose = (wanted: string, ...offers: string[]): string | undefined =>
  choosePlatform(parsePlatform(wanted), offers, parsePlatform);

test.each([
  ["linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64"],
  ["linux/amd64", ["linux/386", "linux/amd64"], "linux/amd64"],
  ["linux/amd64", ["linux/386"], "linux/386"],
  ["linux/amd64", ["linux/amd64/v3"], undefined],
  ["linux/amd64/v3", ["linux/amd64", "linux/amd64/v2"], "linux/amd64/v2"],
  ["linux/arm64", ["linux/arm/v7", "linux/arm64/v8"], "linux/arm64/v8"],
  ["linux/arm64", ["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"],
  ["linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6"],
  ["linux/arm/v6", ["linux/arm/v7"], undefined],
  ["linux/s390x", ["linux/amd64"], undefined],
  ["windows/amd64", ["linux/amd64"], undefined],
])("on %s, of %j, %s", (wanted, offers, expected) => {
  expect(choose(wanted, ...offers)).toBe(expected);
});

test("other names of an architecture are the same platform", () => {
  expect(formatPlatform(parsePlatform("aarch64"))).toBe("linux/arm64");
  expect(formatPlatform(parsePlatform("linux/armhf"))).toBe("linux/arm/v7");
  expect(
    matchesPlatform(parsePlatform("linux/x86_64"), { os: "linux", architecture: "amd64", variant: "v1" }),
  ).toBe(true);
});

test("nonsense is no platform", () => {
  for (const text of ["", "a/b/c/d", "linux/", "li nux/amd64"]) {
    expect(() => parsePlatform(text)).toThrow(expect.objectContaining({ kind: "invalid" }));
  }
});
