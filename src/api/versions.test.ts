import { expect, test } from "vitest";
import { splitVersion } from "./versions.ts";

test.each([
  ["/info", "1.51", "/info"],
  ["/v1.24/info", "1.24", "/info"],
  ["/v1.51/images/library/redis:3.2/json", "1.51", "/images/library/redis:3.2/json"],
  ["/volumes/v1.44/x", "1.51", "/volumes/v1.44/x"],
  ["/v1.44", "1.51", "/v1.44"],
])("%s is version %s of %s", (pathname, version, path) => {
  expect(splitVersion(pathname)).toEqual({ version, path });
});

test.each(["1.99", "1.52", "2", "9.99"])("%s is too new", (version) => {
  expect(() => splitVersion(`/v${version}/info`)).toThrow(
    `client version ${version} is too new. Maximum supported API version is 1.51`,
  );
});

test.each(["1.12", "1.9", "0.99", "1"])("%s is too old", (version) => {
  expect(() => splitVersion(`/v${version}/info`)).toThrow(
    `client version ${version} is too old. Minimum supported API version is 1.24, ` +
      "please upgrade your client to a newer version",
  );
});
