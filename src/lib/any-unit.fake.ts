import fc from "fast-check";

/**
 * For `fc.string({ unit })`: any UTF-16 unit, halves of characters too. fast-check's own "binary" makes a table of all of Unicode
 * first, which takes seconds.
 */
export const anyUnit: fc.Arbitrary<string> = fc.nat(0xffff).map((code) => String.fromCharCode(code));
