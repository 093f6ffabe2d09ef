import { expect, test } from "vitest";
import { runSpecFromWire } from "./run-spec.ts";

const networksOf = (NetworkMode: string, endpoints: Record<string, unknown> = {}) => {
  const body = {
    Image: "app",
    HostConfig: { NetworkMode },
    NetworkingConfig: { EndpointsConfig: endpoints },
  };
  const { networkMode, networks } = runSpecFromWire(body);
  return [networkMode, ...networks.map(({ ref, aliases }) => [ref, ...aliases].join(" "))];
};

test.each([
  // CLI 28 says `default` twice, 20.10 leaves the endpoints out.
  ["default", { default: {} }, ["default", "bridge"]],
  ["default", {}, ["default", "bridge"]],
  ["", {}, ["default", "bridge"]],
  ["", { mine: {} }, ["default", "mine"]],
  ["host", { host: {} }, ["host"]],
  ["none", {}, ["none"]],
  ["mine", { mine: { Aliases: ["db"] } }, ["mine", "mine db"]],
  ["mine", { other: {}, mine: null }, ["mine", "mine", "other"]],
])("network mode %j with endpoints %j", (mode, endpoints, networks) => {
  expect(networksOf(mode, endpoints)).toEqual(networks);
});
