import { expect, test } from "vitest";
import { parseRegistryAuth } from "./credentials.ts";

const header = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

test("reads what docker login keeps", () => {
  expect(parseRegistryAuth(header({ username: "u", password: "p:w", serveraddress: "x" }))).toEqual({
    username: "u",
    password: "p:w",
  });
  expect(parseRegistryAuth(header({ identitytoken: "t" }))).toEqual({ identityToken: "t" });
  expect(parseRegistryAuth(header({ auth: Buffer.from("u:p:w").toString("base64") }))).toEqual({
    username: "u",
    password: "p:w",
  });
});

test("nothing, an empty object and garbage are no credentials", () => {
  for (const text of ["", header({}), header(null), "%%%", header([1])]) {
    expect(parseRegistryAuth(text)).toBeUndefined();
  }
});
