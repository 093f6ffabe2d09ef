import { create, fromJson, toJson } from "@bufbuild/protobuf";
import { TimestampSchema, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { Instant } from "../lib/index.ts";

/** An instant as RFC 3339 in UTC, through protobuf's own rule for it. */
export function rfc3339(at: Instant): string {
  return toJson(TimestampSchema, create(TimestampSchema, timestampFromMs(at)));
}

/** The instant of an RFC 3339 text; undefined when it is none. */
export function parseRfc3339(text: string): Instant | undefined {
  try {
    return timestampMs(fromJson(TimestampSchema, text));
  } catch {
    return undefined;
  }
}
