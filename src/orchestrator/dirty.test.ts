import { describe, expect, test } from "vitest";
import type { Service, ServiceSpec, Task, TaskSpec } from "../model/index.ts";
import { aNode, aRunning, aService, aTask } from "../model/objects.fake.ts";
import { viewOf } from "../store/index.ts";
import { isDirty } from "./dirty.ts";

const old = aService("web");
const node = aNode("n1", { spec: { labels: { disk: "ssd" }, role: "worker", availability: "active" } });
const runs = aRunning(old, 1, "n1");

function changedTo(edit: Partial<ServiceSpec>, task: Task = runs): boolean {
  const service: Service = { ...old, specVersion: 9, spec: { ...old.spec, ...edit } };
  return isDirty(viewOf({ service: [service], node: [node], task: [task] }), service, task);
}

const words = (edit: Partial<TaskSpec>): Partial<ServiceSpec> => ({ task: { ...old.spec.task, ...edit } });
const placed = (...constraints: string[]) =>
  words({ placement: { ...old.spec.task.placement, constraints } });
const port = { name: "", protocol: "tcp", target: 80, published: 80, publishMode: "ingress" } as const;
const auth = words({ container: { ...old.spec.task.container, registryAuth: "new" } });

describe("isDirty()", () => {
  test.each<[string, boolean]>([
    ["nothing", changedTo({})],
    ["labels of the service", changedTo({ labels: { a: "b" } })],
    ["replicas", changedTo({ mode: { kind: "replicated", replicas: 9 } })],
    ["constraints that its node meets", changedTo(placed("node.labels.disk==ssd"))],
    ["registry credentials, the image being there", changedTo(auth)],
  ])("a change of %s leaves a task alone", (_, dirty) => {
    expect(dirty).toBe(false);
  });

  test.each<[string, boolean]>([
    ["force", changedTo(words({ forceUpdate: 1 }))],
    ["published ports", changedTo({ endpoint: { mode: "vip", ports: [port] } })],
    ["constraints that its node does not meet", changedTo(placed("node.labels.disk==hdd"))],
    ["constraints, and it has no node yet", changedTo(placed("node.labels.disk==ssd"), aTask(old, 1))],
    [
      "constraints and ports (Swarm forgets the ports)",
      changedTo({ ...placed("node.labels.disk==ssd"), endpoint: { mode: "vip", ports: [port] } }),
    ],
    [
      "constraints and the task's own words",
      changedTo({ task: { ...old.spec.task, ...placed("node.labels.disk==ssd").task, forceUpdate: 1 } }),
    ],
    ["registry credentials before the pull", changedTo(auth, aTask(old, 1))],
  ])("a change of %s makes it dirty", (_, dirty) => {
    expect(dirty).toBe(true);
  });

  test("a task made from these very words is clean, whatever they are", () => {
    const service: Service = { ...old, specVersion: 9, spec: { ...old.spec, ...words({ forceUpdate: 1 }) } };
    expect(isDirty(viewOf({}), service, aRunning(old, 1, "n1", { specVersion: 9 }))).toBe(false);
  });
});
