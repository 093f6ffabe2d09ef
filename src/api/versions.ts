import { Fault } from "../lib/index.ts";

/** The oldest and the newest API versions served: every `docker` from 1.12 on finds one of its own. */
export const MIN_API_VERSION = "1.24";
export const MAX_API_VERSION = "1.51";

const PREFIX_REGEXP = /^\/v([0-9.]{1,20})(\/.*)$/;

/**
 * Splits "/v1.44/info" into version and path; without a prefix the newest version is meant.
 * Fault "invalid", in Docker's words, on a version outside the served range.
 */
export function splitVersion(pathname: string): { version: string; path: string } {
  const match = PREFIX_REGEXP.exec(pathname);
  const [, version = MAX_API_VERSION, path = pathname] = match ?? [];
  if (compareVersions(version, MAX_API_VERSION) > 0) {
    throw new Fault(
      "invalid",
      `client version ${version} is too new. Maximum supported API version is ${MAX_API_VERSION}`,
    );
  }
  if (compareVersions(version, MIN_API_VERSION) < 0) {
    throw new Fault(
      "invalid",
      `client version ${version} is too old. Minimum supported API version is ${MIN_API_VERSION}, ` +
        "please upgrade your client to a newer version",
    );
  }
  return { version, path };
}

/** Below, at or above zero, part by part: "1.9" is older than "1.24". */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split("."), b.split(".")];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = Number(left[i] ?? 0) - Number(right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
