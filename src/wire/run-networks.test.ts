import { expect, test } from "vitest";
import { runSpecFromWire } from "./run-spec.ts";

/** What the CLI says of networks: their words, in order. */
function networksOf(NetworkMode: string, EndpointsConfig: object): unknown {
  const { networkMode, networks } = runSpecFromWire({
    ...{ Image: "nginx", HostConfig: { NetworkMode }, NetworkingConfig: { EndpointsConfig } },
  });
  return [networkMode, networks];
}

test.each([
  [
    "without a word it is the node's own bridge, which the CLI calls default",
    "default",
    { default: {} },
    ["bridge"],
  ],
  ["an older CLI says nothing of it", "default", {}, ["bridge"]],
  ["a network by name", "front", { front: { Aliases: ["www"] } }, ["front"]],
  ["the first stands first", "front", { back: {}, front: {} }, ["front", "back"]],
])("%s", (_what, mode, endpoints, refs) => {
  const [told, networks] = networksOf(mode, endpoints) as [string, { ref: string }[]];
  expect([told, networks.map(({ ref }) => ref)]).toEqual([mode, refs]);
});

test("addresses and aliases are the network's", () => {
  const IPAMConfig = { IPv4Address: "10.0.1.9", IPv6Address: "fd00:1::9" };
  expect(networksOf("front", { front: { Aliases: ["www"], IPAMConfig } })).toEqual([
    "front",
    [{ ref: "front", aliases: ["www"], address: "10.0.1.9", address6: "fd00:1::9" }],
  ]);
});
