import { expect, test } from "vitest";
import { runSpecFromWire } from "./run-spec.ts";

const body = (NetworkMode: string, host: object = {}, more: object = {}) => ({
  ...{ Image: "app", ...more, HostConfig: { NetworkMode, ...host } },
});

test("a container that shares another's network is on none of its own", () => {
  const { networkMode, networks } = runSpecFromWire({
    ...body("container:web"),
    NetworkingConfig: { EndpointsConfig: { "container:web": {} } },
  });
  expect([networkMode, networks]).toEqual(["container:web", []]);
});

const PORTS = { PortBindings: { "80/tcp": [{ HostPort: "8080" }] } };

test.each([
  ["a hostname", {}, { Hostname: "own" }, "hostname and the network mode"],
  ["name servers", { Dns: ["192.0.2.1"] }, {}, "dns and the network mode"],
  ["hosts", { ExtraHosts: ["a:192.0.2.1"] }, {}, "custom host-to-IP mapping and the network mode"],
  ["ports", PORTS, {}, "port publishing and the container type network mode"],
  ["all ports", { PublishAllPorts: true }, {}, "port publishing and the container type network mode"],
  [
    "what it exposes",
    {},
    { ExposedPorts: { "80/tcp": {} } },
    "port exposing and the container type network mode",
  ],
])("it cannot have %s of its own", (_what, host, more, why) => {
  expect(() => runSpecFromWire(body("container:web", host, more))).toThrow(`conflicting options: ${why}`);
  expect(() => runSpecFromWire(body("bridge", host, more))).not.toThrow();
});

test("it must say whose", () => {
  expect(() => runSpecFromWire(body("container:"))).toThrow(
    "Invalid network mode: invalid container format container:<name|id>",
  );
});
