import { randomBytes } from "node:crypto";
import type { Random } from "../lib/index.ts";

/** The kernel's randomness, fit for secrets. */
export const systemRandom: Random = { bytes: (n) => randomBytes(n) };
