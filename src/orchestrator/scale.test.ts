import { expect, test } from "vitest";
import { aNode, aRunning, aService, countingIds, T0 } from "../model/objects.fake.ts";
import { viewOf } from "../store/index.ts";
import { planReplicated } from "./replicated.ts";

const web = aService("web", { mode: { kind: "replicated", replicas: 2 } });
const decision = { now: T0 + 1_000, newId: countingIds() };

test("a slot that was given up a moment ago and is wanted again waits for the task that still stops there", () => {
  const stays = aRunning(web, 1, "n1");
  const goes = aRunning(web, 2, "n1", { desiredState: "remove" });
  const view = viewOf({ service: [web], node: [aNode("n1")], task: [stays, goes] });
  const { changes } = planReplicated(view, web, decision);
  expect(changes).toMatchObject([{ object: { slot: 2, desiredState: "ready", after: goes.id } }]);
});

test("where nothing stops a new task need not wait", () => {
  const view = viewOf({ service: [web], node: [aNode("n1")], task: [aRunning(web, 2, "n1")] });
  const { changes } = planReplicated(view, web, decision);
  expect(changes).toMatchObject([{ object: { slot: 1, desiredState: "running" } }]);
});
