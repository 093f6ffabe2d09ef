import { describe, expect, test } from "vitest";
import { isImageReference } from "./image-name.ts";

describe("image references", () => {
  const hex = "0123456789abcdef".repeat(4);
  test.each([
    "nginx",
    "nginx:1.27-alpine",
    "bretfisher/examplevotingapp_vote",
    "localhost/x",
    "reg.example.org:5000/a/b__c/d-e:T_1.x",
    "[::1]:5000/x",
    `redis@sha256:${hex}`,
    `redis:3.2@sha256:${hex}`,
    "MyHost/x",
  ])("%s is one", (reference) => expect(isImageReference(reference)).toBe(true));

  test.each([
    "",
    "Nginx",
    "a//b",
    "a/",
    "/a",
    "a:",
    "a:b:c",
    "a b",
    "a@sha256:12",
    `a@sha256:${hex}@sha256:${hex}`,
    hex,
    "a..b",
    "a_-b",
    `a:${"t".repeat(129)}`,
    "x".repeat(300),
    "-a",
    "http://a/b",
  ])("%s is none", (reference) => expect(isImageReference(reference)).toBe(false));
});
