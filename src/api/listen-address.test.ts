import { expect, test } from "vitest";
import { parseListenAddress } from "./listen-address.ts";

test.each([
  ["unix:///run/shoal/docker.sock", { kind: "unix", path: "/run/shoal/docker.sock" }],
  ["tcp://10.0.0.1:4000", { kind: "tcp", host: "10.0.0.1", port: 4000 }],
  ["tcp://node-1.lan", { kind: "tcp", host: "node-1.lan", port: 2376 }],
  ["tcp://:2377", { kind: "tcp", host: "::", port: 2377 }],
  ["tcp://[::1]:2376", { kind: "tcp", host: "::1", port: 2376 }],
])("%s", (where, address) => {
  expect(parseListenAddress(where)).toEqual(address);
});

test.each([
  "",
  "docker.sock",
  "unix://docker.sock",
  "tcp://a:b",
  "tcp://a:70000",
  "tcp://::1:2376",
  "fd://",
  "http://a",
])("%s is refused", (where) => {
  expect(() => parseListenAddress(where)).toThrow(`cannot listen on ${where}: `);
});
