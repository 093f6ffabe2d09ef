import { expect, test } from "vitest";
import { Endpoints } from "./endpoint.ts";
import { parseReference } from "./reference.ts";

const endpoints = new Endpoints({
  mirrors: ["http://172.31.0.250:5000/", "https://mirror.example/hub"],
  insecureRegistries: ["plain.example", "other.example:5000", "10.1.0.0/16", "fd00::/8"],
});
const urlsOf = (text: string): string[] => endpoints.of(parseReference(text)).flatMap((e) => e.urls);

test("docker.io is asked after its mirrors, others are asked themselves", () => {
  expect(urlsOf("redis")).toEqual([
    "http://172.31.0.250:5000",
    "https://mirror.example/hub",
    "https://registry-1.docker.io",
  ]);
  expect(urlsOf("quay.io/a/b")).toEqual(["https://quay.io"]);
});

test.each([
  ["plain.example/a", true],
  ["plain.example:8080/a", true],
  ["other.example:5000/a", true],
  ["other.example:5001/a", false],
  ["10.1.2.3:5000/a", true],
  ["10.2.2.3:5000/a", false],
  ["[fd00::1]:5000/a", true],
  ["127.0.0.1:5000/a", true],
  ["127.9.0.1/a", true],
  ["localhost:5000/a", true],
  ["[::1]:5000/a", true],
  ["localhost.evil.example/a", false],
])("%s may be asked in plain http: %s", (text, insecure) => {
  expect(urlsOf(text).some((url) => url.startsWith("http://"))).toBe(insecure);
});

test("settings that make no sense are refused", () => {
  expect(() => new Endpoints({ mirrors: ["mirror:5000"], insecureRegistries: [] })).toThrow("invalid mirror");
  expect(() => new Endpoints({ mirrors: [], insecureRegistries: ["10.0.0.0/99"] })).toThrow("is not a CIDR");
});
