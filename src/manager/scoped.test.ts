import fc from "fast-check";
import { expect, test } from "vitest";
import { grantGuest } from "../allocator/index.ts";
import {
  type Availability,
  type Change,
  isWanted,
  type Node,
  type NodeState,
  put,
  remove,
  type Service,
  type ServiceMode,
  TASK_STATES,
  type Task,
  type TaskSpec,
  withReport,
} from "../model/index.ts";
import { aGuest, aNetwork, aNode, aService, countingIds, T0 } from "../model/objects.fake.ts";
import { everythingOf, type ObjectChange, type View } from "../store/index.ts";
import { Marks } from "./marks.ts";
import { planCluster, planScope } from "./planner.ts";
import { Worklist } from "./worklist.ts";
import { newWorld, type World, webService } from "./world.fake.ts";

/*
 * The leader looks only at what moved. These properties say that it misses nothing by that: whatever happens, a plan for
 * what moved is the plan for everything, and once its work list is empty a plan for everything has nothing to say.
 */

const NODES = ["n1", "n2", "n3", "n4"] as const;
const SERVICES = ["web", "api", "agent", "job", "sweep"] as const;
const MODES: Readonly<Record<(typeof SERVICES)[number], ServiceMode>> = {
  web: { kind: "replicated", replicas: 3 },
  api: { kind: "replicated", replicas: 4 },
  agent: { kind: "global" },
  job: { kind: "replicated-job", maxConcurrent: 2, totalCompletions: 4 },
  sweep: { kind: "global-job" },
};

type Words = Partial<Pick<TaskSpec, "placement" | "resources">>;

const base = webService(1).spec.task;
const WORDS: readonly Words[] = [
  {},
  { placement: { ...base.placement, constraints: ["node.labels.zone==a"] } },
  { placement: { ...base.placement, preferences: [{ spread: "node.labels.zone" }], maxReplicas: 2 } },
  {
    resources: {
      ...base.resources,
      reservations: { nanoCpus: 1.5e9, memoryBytes: 0, generic: [{ kind: "gpu", count: 1 }] },
    },
  },
];

function serviceOf(name: (typeof SERVICES)[number], words: Words, createdAt = T0): Service {
  const plain = webService(1);
  const mode = MODES[name];
  const isJob = mode.kind === "replicated-job" || mode.kind === "global-job";
  return aService(
    name,
    { ...plain.spec, name, mode, task: { ...plain.spec.task, ...words } },
    { createdAt, ...(isJob && { job: { iteration: 0, lastExecution: T0 } }) },
  );
}

function nodeOf(id: string, zone: string): Node {
  const plain = aNode(id, { spec: { labels: { zone }, role: "worker", availability: "active" } });
  const resources = { ...plain.description!.resources, generic: [{ kind: "gpu", count: 1 }] };
  return { ...plain, description: { ...plain.description!, resources } };
}

const pick = fc.nat(1000);
const step = fc.oneof(
  fc.record({ kind: fc.constant("scale" as const), pick, to: fc.nat(6) }),
  fc.record({ kind: fc.constant("update" as const), pick, words: fc.constantFrom(...WORDS) }),
  fc.record({ kind: fc.constant("drop" as const), pick }),
  fc.record({ kind: fc.constant("create" as const), pick, words: fc.constantFrom(...WORDS) }),
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("report" as const), pick, to: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("obey" as const) }) },
  fc.record({
    kind: fc.constant("node" as const),
    pick,
    state: fc.constantFrom<NodeState>("ready", "ready", "down", "unknown"),
    availability: fc.constantFrom<Availability>("active", "active", "pause", "drain"),
    zone: fc.constantFrom("a", "b", ""),
  }),
  fc.record({ kind: fc.constant("unplug" as const), pick }),
  fc.record({ kind: fc.constant("plug" as const), pick }),
  fc.record({ kind: fc.constant("network" as const), pick }),
  fc.record({ kind: fc.constant("guest" as const), pick, digit: fc.constantFrom("a", "b") }),
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("time" as const), ms: fc.integer({ min: 1, max: 40_000 }) }),
  },
  fc.record({ kind: fc.constant("time" as const), ms: fc.constantFrom(300_000, 700_000, 90_000_000) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function oneOf<T>(objects: Iterable<T>, at: number): T | undefined {
  const all = [...objects];
  return all[at % Math.max(1, all.length)];
}

function words(service: Service, spec: Partial<Service["spec"]>): Change {
  const { updateStatus: _, ...rest } = service;
  const run = service.job?.iteration ?? 0;
  return put("service", {
    ...rest,
    previousSpec: service.spec,
    spec: { ...service.spec, ...spec },
    specVersion: service.version + 1,
    ...(service.job !== undefined && { job: { ...service.job, iteration: run + 1 } }),
  });
}

function report(task: Task, at: number, to: number): Change[] {
  const states = TASK_STATES.slice(3, 12);
  const next = withReport(task, { at, state: states[to % states.length]!, message: "" }, at);
  return next === undefined ? [] : [put("task", next)];
}

/** What the step writes. */
function changesOf(world: World, s: Step): Change[] {
  const { view, now } = world;
  const service = "pick" in s ? oneOf(view.all("service"), s.pick) : undefined;
  const node = "pick" in s ? oneOf(view.all("node"), s.pick) : undefined;
  const placed = world.tasks().filter((t) => t.nodeId !== undefined && t.status.state !== "pending");
  switch (s.kind) {
    case "scale":
      return service?.spec.mode.kind === "replicated"
        ? [words(service, { mode: { kind: "replicated", replicas: s.to } })]
        : [];
    case "update":
      return service === undefined ? [] : [words(service, { task: { ...service.spec.task, ...s.words } })];
    case "drop":
      return service === undefined ? [] : [remove("service", service)];
    case "create": {
      const absent = SERVICES.filter((name) => view.get("service", `svc-${name}`) === undefined);
      const name = oneOf(absent, s.pick);
      return name === undefined ? [] : [put("service", serviceOf(name, s.words, now))];
    }
    case "report": {
      const task = oneOf(placed, s.pick);
      return task === undefined ? [] : report(task, now, s.to);
    }
    case "obey":
      return placed
        .filter((t) => view.get("node", t.nodeId ?? "")?.status.state === "ready")
        .flatMap((t) => report(t, now, isWanted(t) ? (t.desiredState === "ready" ? 2 : 4) : 6));
    case "node":
      return node === undefined
        ? []
        : [
            put("node", {
              ...node,
              status: {
                state: s.state,
                message: "",
                address: "",
                ...(s.state === "down" && { downAt: now }),
              },
              spec: { ...node.spec, availability: s.availability, labels: { zone: s.zone } },
            }),
          ];
    case "unplug":
      return node === undefined ? [] : [remove("node", node)];
    case "plug": {
      const id = oneOf(
        NODES.filter((name) => view.get("node", name) === undefined),
        s.pick,
      );
      return id === undefined ? [] : [put("node", nodeOf(id, "a"))];
    }
    case "network": {
      const extra = view.get("network", "net-extra");
      return extra === undefined ? [put("network", aNetwork("extra"))] : [remove("network", extra)];
    }
    case "guest":
      return guestChanges(view, s.digit, node?.id);
    case "time":
      world.now += s.ms;
      return [];
  }
}

/** A container made by hand goes, or comes to the node. */
function guestChanges(view: View, digit: string, nodeId: string | undefined): Change[] {
  const known = view.get("guest", digit.repeat(64));
  if (known !== undefined) return [remove("guest", known)];
  if (nodeId === undefined) return [];
  const guest = aGuest(digit, nodeId, { "net-front": "" });
  const grant = grantGuest(view, { ...guest, wanted: guest.spec.networks, attachments: [] });
  return "error" in grant
    ? []
    : [put("guest", { ...guest, attachments: grant.attachments }), ...grant.changes];
}

function start(): World {
  return newWorld(
    NODES.map((id, i) => nodeOf(id, i % 2 === 0 ? "a" : "b")),
    SERVICES.slice(0, 4).map((name, i) => serviceOf(name, WORDS[i]!)),
  );
}

const decisionAt = (now: number, ids: () => string) => ({ now, newId: ids });

test("a plan for what moved is the plan for everything", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const world = start();
      let marks = new Marks();
      const due = new Map<string, number>();
      world.watch = (changes: readonly ObjectChange[]) => {
        for (const change of changes) marks.note(world.view, change);
      };
      marks.add(everythingOf(world.view));
      let plans = 0;
      for (const s of [undefined, ...steps]) {
        if (s !== undefined) world.write(changesOf(world, s));
        for (;;) {
          for (const [id, at] of due) if (at <= world.now) marks.services.add(id);
          const from = plans;
          const ids = (prefix: string) => {
            const next = countingIds();
            return () => `${prefix}-${next()}`;
          };
          const full = planCluster(world.view, decisionAt(world.now, ids(`p${from}`)));
          const part = planScope(world.view, marks, decisionAt(world.now, ids(`p${from}`)));
          expect(part.changes).toEqual(full.changes);
          plans += 1;
          marks = new Marks();
          marks.add(part.left);
          for (const [id, at] of part.due) {
            if (at === undefined) due.delete(id);
            else due.set(id, at);
          }
          if (part.changes.length === 0) {
            expect(Math.min(...due.values())).toBe(full.again ?? Number.POSITIVE_INFINITY);
            break;
          }
          world.write(part.changes);
          expect(plans - from).toBeLessThan(20);
        }
      }
    }),
    { numRuns: 60 },
  );
});

test("once the work list is empty, a plan for everything has nothing to say", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const world = start();
      const work = new Worklist();
      world.watch = (changes) => work.note(world.view, changes);
      work.begin(world.view);
      const newId = countingIds();
      for (const s of [undefined, ...steps]) {
        if (s !== undefined) world.write(changesOf(world, s));
        for (let plans = 0; ; plans++) {
          const scope = work.take(world.view, world.now);
          if (scope === undefined) break;
          const plan = planScope(world.view, scope, decisionAt(world.now, newId));
          world.write(plan.changes);
          work.settle(plan);
          expect(plans).toBeLessThan(100);
        }
        const full = planCluster(world.view, decisionAt(world.now, newId));
        expect(full.changes).toEqual([]);
        expect(work.next).toBe(full.again);
      }
    }),
    { numRuns: 60 },
  );
});
