import { isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  contains6,
  formatCidr6,
  formatIpv6,
  overlaps6,
  parseCidr6,
  parseIpv6,
  requireCidr6,
  sizeOf6,
} from "./ipv6.ts";

/** Groups of which many are zero, so that every place of "::" comes up. */
const group = fc.oneof(fc.constant(0), fc.constant(0xffff), fc.nat(0xffff));
const groups = fc.array(group, { minLength: 8, maxLength: 8 });
const numberOf = (words: readonly number[]) =>
  words.reduce((value, word) => value * 0x10000n + BigInt(word), 0n);
const address = groups.map(numberOf);
const cidr = fc
  .record({ address, bits: fc.integer({ min: 0, max: 128 }) })
  .map(({ address: base, bits }) => requireCidr6(`${formatIpv6(base)}/${bits}`));

describe("parseIpv6()", () => {
  test.each([
    "",
    ":",
    ":::",
    "1",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "1:2:3:4:5:6:7:8::",
    "::12345",
    "::g",
    "fe80::1%eth0",
    "[::1]",
    " ::1",
    "::1.2.3",
    "::1.2.3.256",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "1.2.3.4",
  ])("refuses %j", (text) => expect(parseIpv6(text)).toBeUndefined());

  test.each([
    ["::", 0n],
    ["::1", 1n],
    ["1::", 1n << 112n],
    ["FD00:0001::00A", (0xfd00n << 112n) + (1n << 96n) + 10n],
    ["::ffff:10.0.0.1", 0xffff0a000001n],
    ["1:2:3:4:5:6:7:8", 0x00010002000300040005000600070008n],
    ["1:2:3:4:5:6:7::", 0x00010002000300040005000600070000n],
  ])("reads %s", (text, value) => expect(parseIpv6(text)).toBe(value));

  test("reads what Node takes for IPv6, and nothing else", () => {
    const word = fc.stringMatching(/^[0-9a-f]{0,5}$/);
    const text = fc
      .array(fc.oneof(word, fc.constantFrom("", "1.2.3.4")), { maxLength: 9 })
      .map((w) => w.join(":"));
    fc.assert(fc.property(text, (t) => (parseIpv6(t) !== undefined) === isIPv6(t)));
  });
});

describe("formatIpv6()", () => {
  test("is read back, whatever the address", () => {
    fc.assert(fc.property(address, (a) => parseIpv6(formatIpv6(a)) === a));
  });

  test("is the text that a URL has for it (WHATWG: RFC 5952, but for IPv4 tails)", () => {
    const plain = address.filter((a) => a >> 32n !== 0xffffn);
    fc.assert(
      fc.property(plain, (a) => new URL(`http://[${formatIpv6(a)}]`).hostname === `[${formatIpv6(a)}]`),
    );
  });

  test.each([
    [[0x2001, 0xdb8, 0, 0, 1, 0, 0, 1], "2001:db8::1:0:0:1"],
    [[0x2001, 0xdb8, 0, 1, 1, 1, 1, 1], "2001:db8:0:1:1:1:1:1"],
    [[0x2001, 0, 0, 1, 0, 0, 0, 1], "2001:0:0:1::1"],
    [[0, 0, 0, 0, 0, 0xffff, 0x0a00, 1], "::ffff:10.0.0.1"],
    [[0xfd00, 0, 0, 0, 0, 0, 0, 0], "fd00::"],
    [[0, 0, 0, 0, 0, 0, 0, 0], "::"],
  ])("%j is %s", (words, text) => expect(formatIpv6(numberOf(words))).toBe(text));
});

describe("parseCidr6()", () => {
  test.each(["fd00::", "fd00::/129", "fd00::/", "fd00::/064", "fd00::/8/8", "10.0.0.0/8"])(
    "refuses %j",
    (text) => expect(parseCidr6(text)).toBeUndefined(),
  );

  test("masks the base", () => {
    expect(formatCidr6(requireCidr6("fd00:1:2:3:4::5/64"))).toBe("fd00:1:2:3::/64");
    expect(formatCidr6(requireCidr6("fd00::5/0"))).toBe("::/0");
    expect(formatCidr6(requireCidr6("fd00::5/128"))).toBe("fd00::5/128");
  });

  test("requireCidr6() names the text", () => {
    expect(() => requireCidr6("x/24")).toThrow("invalid CIDR address: x/24");
  });
});

test("contains6() holds for exactly the addresses from base to base + size - 1", () => {
  const near = fc.tuple(cidr, fc.bigInt(-3n, 3n), fc.boolean());
  fc.assert(
    fc.property(near, address, ([block, step, atEnd], far) => {
      for (const a of [far, block.base + step + (atEnd ? sizeOf6(block) : 0n)]) {
        if (a < 0n || a >= 1n << 128n) continue;
        expect(contains6(block, a)).toBe(a >= block.base && a < block.base + sizeOf6(block));
      }
    }),
  );
});

test("two blocks overlap when one holds the base of the other", () => {
  fc.assert(
    fc.property(cidr, cidr, (a, b) => {
      expect(overlaps6(a, b)).toBe(contains6(a, b.base) || contains6(b, a.base));
      expect(overlaps6(a, b)).toBe(overlaps6(b, a));
      expect(overlaps6(a, a)).toBe(true);
    }),
  );
});
