import { expect, test } from "vitest";
import { replicasOf } from "../model/index.ts";
import { aNetwork, aNode, aSecret, aService } from "../model/objects.fake.ts";
import { swarmEvents } from "./swarm-events.ts";

test("a commit's events in Docker's words: create, update with what changed, remove", () => {
  const before = aService("web");
  const scaled = { ...before, spec: { ...before.spec, mode: { kind: "replicated", replicas: 9 } as const } };
  const [created, updated, removed] = swarmEvents([
    { kind: "service", after: before },
    { kind: "service", before, after: scaled },
    { kind: "service", before: scaled },
  ]);
  expect(created).toEqual({
    type: "service",
    action: "create",
    actor: before.id,
    attributes: { name: before.spec.name },
  });
  const old = String(replicasOf(before.spec.mode));
  expect(updated?.attributes).toEqual({ name: before.spec.name, "replicas.old": old, "replicas.new": "9" });
  expect(removed?.action).toBe("remove");
});

test.each(["secret", "config"] as const)("a %s's events tell its name, never its data", (kind) => {
  const before = aSecret("token");
  const [created, removed] = swarmEvents([
    { kind, after: before },
    { kind, before },
  ]);
  const told = { type: kind, actor: before.id, attributes: { name: "token" } };
  expect([created, removed]).toEqual([
    { ...told, action: "create" },
    { ...told, action: "remove" },
  ]);
});

test("an address given on a network is no event of it", () => {
  const state = { subnet: "10.0.1.0/24", gateway: "10.0.1.1", vni: 4097 };
  const before = aNetwork("front", {}, { state });
  const after = { ...before, version: 2, state: { ...state, cursor: "10.0.1.2" } };
  expect(swarmEvents([{ kind: "network", before, after }])).toEqual([]);
  expect(swarmEvents([{ kind: "network", before: after }])).toHaveLength(1);
});

test("a node that goes down tells its state; a commit of nothing told is silent", () => {
  const before = aNode("n1");
  const after = { ...before, status: { ...before.status, state: "down" } as const };
  expect(swarmEvents([{ kind: "node", before, after }])[0]?.attributes).toMatchObject({
    "state.old": before.status.state,
    "state.new": "down",
  });
  expect(swarmEvents([])).toEqual([]);
});
