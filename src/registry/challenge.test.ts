import { expect, test } from "vitest";
import { parseChallenges } from "./challenge.ts";

test("reads a bearer challenge with commas inside quotes", () => {
  const header =
    'Bearer realm="https://auth.example/token",service="a \\"b\\"",scope="repository:a:pull,push"';
  expect(parseChallenges(header)).toEqual([
    {
      scheme: "bearer",
      realm: "https://auth.example/token",
      service: 'a "b"',
      scope: "repository:a:pull,push",
    },
  ]);
});

test("takes bearer before basic, leaves out what it does not know", () => {
  expect(parseChallenges('Basic realm="x", Bearer realm="https://t"').map((c) => c.scheme)).toEqual([
    "bearer",
    "basic",
  ]);
  expect(parseChallenges("Negotiate")).toEqual([]);
  expect(parseChallenges("")).toEqual([]);
});
