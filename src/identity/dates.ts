import type { Instant } from "../lib/index.ts";

/** Certificates are valid from an hour ago, for clocks that are not alike (swarmkit CertBackdate). */
export const BACKDATE_MS: number = 3600 * 1000;

/** Validity that began an hour before `now` and ends `validForMs` after it, in the words of the X.509 library. */
// biome-ignore lint/style/noRestrictedGlobals: a conversion; the machine's clock is not asked
export function validity(now: Instant, validForMs: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: toDate(now - BACKDATE_MS), notAfter: toDate(now + validForMs) };
}

// biome-ignore lint/style/noRestrictedGlobals: a conversion; the machine's clock is not asked
const toDate = (at: Instant): Date => new Date(at);

/** The instant that a certificate's validity text names: "Nov 25 14:16:41 2026 GMT". */
// biome-ignore lint/style/noRestrictedGlobals: a conversion; the machine's clock is not asked
export const parseDate = (text: string): Instant => Date.parse(text);
