import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  contains,
  formatCidr,
  formatIpv4,
  overlaps,
  parseCidr,
  parseIpv4,
  requireCidr,
  sizeOf,
} from "./ipv4.ts";

const address = fc.nat(2 ** 32 - 1);
const cidr = fc.record({ address, bits: fc.integer({ min: 0, max: 32 }) }).map(({ address: base, bits }) => {
  const parsed = parseCidr(`${formatIpv4(base)}/${bits}`);
  if (parsed === undefined) throw new Error("must parse");
  return parsed;
});

describe("parseIpv4()", () => {
  test.each(["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.04", " 1.2.3.4", "1.2.3.-4", "::1"])(
    "refuses %j",
    (text) => expect(parseIpv4(text)).toBeUndefined(),
  );

  test("takes four numbers up to 255 without leading zeros, and nothing else", () => {
    const number = "(0|[1-9]\\d?|1\\d\\d|2[0-4]\\d|25[0-5])";
    const pattern = new RegExp(`^${number}(\\.${number}){3}$`);
    const part = fc.oneof(fc.nat(300).map(String), fc.constantFrom("", "00", "07", "x", "1\n"));
    fc.assert(
      fc.property(fc.array(part, { minLength: 3, maxLength: 5 }), (all) => {
        const text = all.join(".");
        expect(parseIpv4(text) !== undefined).toBe(pattern.test(text));
      }),
    );
  });

  test("is the inverse of formatIpv4()", () => {
    fc.assert(fc.property(address, (a) => parseIpv4(formatIpv4(a)) === a));
  });
});

describe("parseCidr()", () => {
  test.each([
    "10.0.0.0",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/08",
    "10.0.0.300/24",
    "10.0.0.0/8/8",
    "fd00::/8",
  ])("refuses %j", (text) => expect(parseCidr(text)).toBeUndefined());

  test("masks the base", () => {
    expect(formatCidr(requireCidr("10.1.2.3/8"))).toBe("10.0.0.0/8");
    expect(formatCidr(requireCidr("10.1.2.3/0"))).toBe("0.0.0.0/0");
    expect(formatCidr(requireCidr("10.1.2.3/32"))).toBe("10.1.2.3/32");
  });

  test("requireCidr() names the text", () => {
    expect(() => requireCidr("x/24")).toThrow("invalid CIDR address: x/24");
  });
});

test("contains() holds for exactly the addresses from base to base + size - 1", () => {
  fc.assert(
    fc.property(cidr, address, (block, a) => {
      expect(contains(block, a)).toBe(a >= block.base && a < block.base + sizeOf(block));
    }),
  );
});

test("two blocks overlap when one holds the base of the other", () => {
  fc.assert(
    fc.property(cidr, cidr, (a, b) => {
      expect(overlaps(a, b)).toBe(contains(a, b.base) || contains(b, a.base));
      expect(overlaps(a, b)).toBe(overlaps(b, a));
      expect(overlaps(a, a)).toBe(true);
    }),
  );
});
