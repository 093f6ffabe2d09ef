import { expect, test } from "vitest";
import { readinessOf, type Standing } from "./readiness.ts";

const web = {
  ...{ id: "web", name: "web", vips: {}, aliases: {} },
  ports: [{ protocol: "tcp" as const, published: 8080, target: 80 }],
};
const endpoint = { taskId: "t", serviceId: "web", name: "web.1.t", nodeId: "n2", addresses: {} };
const well: Standing = {
  ...{ availability: "active", trouble: undefined },
  facts: { services: [web], endpoints: [endpoint] },
};

test.each<[string, Partial<Standing>, string | undefined]>([
  ["a node that works", {}, undefined],
  ["a paused node: what it has goes on", { availability: "pause" }, undefined],
  ["a drained node", { availability: "drain" }, "the node is drained"],
  ["a node without work", { availability: undefined }, "no manager has told this node its work yet"],
  ["a kernel that refuses", { trouble: "the kernel says no" }, "the kernel says no"],
  [
    "a drained node whose kernel refuses",
    { availability: "drain", trouble: "the kernel says no" },
    "the node is drained",
  ],
])("%s", (_, change, because) => {
  expect(readinessOf({ ...well, ...change })).toEqual(
    because === undefined ? { ready: true } : { ready: false, because },
  );
});

test.each<[string, Standing["facts"], "tcp" | "udp", number, string | undefined]>([
  ["that is served", well.facts, "tcp", 8080, undefined],
  ["of the other protocol", well.facts, "udp", 8080, "no service publishes port 8080/udp"],
  ["that nobody publishes", well.facts, "tcp", 81, "no service publishes port 81/tcp"],
  [
    "without tasks",
    { services: [web], endpoints: [] },
    "tcp",
    8080,
    "no task of service web takes connections",
  ],
])("a port %s", (_, facts, protocol, published, because) => {
  const readiness = readinessOf({ ...well, facts }, { protocol, published });
  expect(readiness).toEqual(because === undefined ? { ready: true } : { ready: false, because });
});
