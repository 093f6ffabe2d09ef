import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Change, KINDS, type Kind, type Kinds, put, remove, type Task } from "../model/index.ts";
import { aCluster, aGuest, aNetwork, aNode, aService, aTask, aTaskSpec } from "../model/objects.fake.ts";
import { Draft, withChanges } from "./draft.ts";
import { LiveView, viewOf } from "./live-view.ts";
import type { Derived, View } from "./view.ts";

const SERVICES = ["web", "db"] as const;
const NODES = ["n1", "n2"] as const;
const NETWORKS = ["a", "b"] as const;

const ids = (objects: Iterable<{ id: string }>) => new Set([...objects].map((o) => o.id));

/** Every answer a view gives about the small world of these tests, as plain data. */
function answersOf(view: View): unknown {
  return {
    all: KINDS.map((kind) => [...view.all(kind)].sort((a, b) => (a.id < b.id ? -1 : 1))),
    cluster: view.cluster()?.id,
    services: SERVICES.map((name) => view.serviceByName(name)?.id),
    networks: NETWORKS.map((id) => [
      view.networkByName(id)?.id,
      view.get("network", `net-${id}`)?.id,
      ids(view.tasksByNetwork(id)),
      ids(view.guestsByNetwork(id)),
      ids(view.servicesByNetwork(id)),
    ]),
    crowds: new Map([...view.derive(CROWDS)].sort()),
    nodes: NODES.map((id) => [
      ids(view.nodesByHostname(id)),
      ids(view.tasksByNode(id)),
      ids(view.guestsByNode(id)),
    ]),
    tasks: SERVICES.map((name) => [
      ids(view.tasksByService(`svc-${name}`)),
      ids(view.tasksBySlot(`svc-${name}`, 1)),
      ids(view.findByIdPrefix("task", `${name}-`)),
    ]),
  };
}

const network = fc.constantFrom(...NETWORKS);
const task = fc
  .record({
    name: fc.constantFrom(...SERVICES),
    slot: fc.integer({ min: 1, max: 2 }),
    run: fc.integer({ min: 1, max: 3 }),
    node: fc.constantFrom(undefined, ...NODES),
    networks: fc.uniqueArray(network),
  })
  .map(({ name, slot, run, node, networks }) =>
    put(
      "task",
      aTask(aService(name), slot, {
        id: `${name}-${slot}-${run}`,
        ...(node !== undefined && { nodeId: node }),
        attachments: networks.map((networkId) => ({ networkId, address: "10.0.1.2" })),
      }),
    ),
  );
const guest = fc
  .record({
    ...{ digit: fc.constantFrom("a", "b"), node: fc.constantFrom(...NODES) },
    networks: fc.uniqueArray(network),
  })
  .map(({ digit, node, networks }) =>
    put("guest", aGuest(digit, node, Object.fromEntries(networks.map((id) => [id, "10.0.1.3"])))),
  );
const service = fc
  .record({ name: fc.constantFrom(...SERVICES), targets: fc.uniqueArray(network) })
  .map(({ name, targets }) => {
    const networks = targets.map((target) => ({ target, aliases: [] }));
    return put("service", aService(name, { task: { ...aTaskSpec, networks } }));
  });
const node = fc
  .record({ id: fc.constantFrom(...NODES), hostname: fc.constantFrom(...NODES) })
  .map(({ id, hostname }) =>
    put("node", aNode(id, { description: { ...aNode(hostname).description!, hostname } })),
  );
const other = fc.constantFrom(
  put("cluster", aCluster()),
  ...NETWORKS.map((name) => put("network", aNetwork(name))),
);
const change: fc.Arbitrary<Change> = fc
  .tuple(fc.oneof(task, guest, service, node, other), fc.boolean())
  .map(([wanted, gone]) => (gone && wanted.op === "put" ? remove<Kind>(wanted.kind, wanted.object) : wanted));

/** What a view should say, by walks over the last state of each object. */
function plainView(changes: readonly Change[]): View {
  const last = new Map<string, Change>();
  for (const c of changes) last.set(`${c.kind}/${c.op === "put" ? c.object.id : c.id}`, c);
  const all = <K extends Kind>(kind: K) =>
    [...last.values()].flatMap((c) => (c.op === "put" && c.kind === kind ? [c.object as Kinds[K]] : []));
  return {
    all,
    get: (kind, id) => all(kind).find((object) => object.id === id),
    findByIdPrefix: (kind, prefix) => all(kind).filter((object) => object.id.startsWith(prefix)),
    cluster: () => all("cluster")[0],
    serviceByName: (name) => all("service").find((s) => s.spec.name === name),
    networkByName: (name) => all("network").find((n) => n.spec.name === name),
    nodesByHostname: (name) => all("node").filter((n) => n.description?.hostname === name),
    tasksByService: (id) => all("task").filter((t) => t.serviceId === id),
    tasksBySlot: (id, slot) => all("task").filter((t) => t.serviceId === id && t.slot === slot),
    tasksByNode: (id) => all("task").filter((t) => t.nodeId === id),
    tasksByNetwork: (id) => all("task").filter((t) => t.attachments.some((a) => a.networkId === id)),
    guestsByNode: (id) => all("guest").filter((g) => g.nodeId === id),
    guestsByNetwork: (id) => all("guest").filter((g) => g.attachments.some((a) => a.networkId === id)),
    servicesByNetwork: (id) =>
      all("service").filter((s) => s.spec.task.networks.some((n) => n.target === id)),
    derive: (derived) => {
      const state = derived.empty();
      for (const kind of KINDS) for (const after of all(kind)) derived.apply(state, { kind, after });
      return state;
    },
  };
}

/** How many tasks each node has. */
const CROWDS: Derived<Map<string, number>> = {
  empty: () => new Map(),
  fork: (state) => new Map(state),
  apply(state, { kind, before, after }) {
    if (kind !== "task") return;
    for (const [task, step] of [
      [before, -1],
      [after, 1],
    ] as const) {
      const node = (task as Task | undefined)?.nodeId;
      if (node === undefined) continue;
      const count = (state.get(node) ?? 0) + step;
      if (count === 0) state.delete(node);
      else state.set(node, count);
    }
  },
};

function apply(view: LiveView, changes: readonly Change[]): void {
  for (const c of changes) {
    if (c.op === "put") view.put<Kind>(c.kind, c.object);
    else view.delete(c.kind, c.id);
  }
}

describe("View", () => {
  test("a live view and a layer on it answer as a walk over all objects would, after any changes", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), fc.nat(40), (changes, split) => {
        const plain = answersOf(plainView(changes));
        const live = new LiveView();
        live.derive(CROWDS);
        apply(live, changes.slice(0, split));
        expect(answersOf(withChanges(live, changes.slice(split)))).toEqual(plain);
        const draft = new Draft(live);
        const before = answersOf(live);
        draft.write(changes.slice(split, split + 5));
        draft.derive(CROWDS);
        draft.write(changes.slice(split + 5));
        expect(answersOf(draft)).toEqual(plain);
        expect(answersOf(live)).toEqual(before);
        apply(live, changes.slice(split));
        expect(answersOf(live)).toEqual(plain);
        const stored = new LiveView();
        apply(stored, [...changes.slice(0, split), ...draft.changes]);
        expect(answersOf(stored)).toEqual(plain);
      }),
    );
  });

  test("a layer leaves what is below alone", () => {
    const web = aService("web");
    const base = viewOf({ service: [web], task: [aTask(web, 1)] });
    const before = answersOf(base);
    const layer = withChanges(base, [remove("service", web), put("task", aTask(web, 2))]);
    expect(layer.get("service", web.id)).toBeUndefined();
    expect(ids(layer.tasksByService(web.id))).toEqual(new Set(["web-1", "web-2"]));
    expect(answersOf(base)).toEqual(before);
  });

  test("a layer that takes a name's bearer away shows its namesake", () => {
    const twins = [aService("web"), { ...aService("web"), id: "svc-twin" }] as const;
    const base = viewOf({ service: twins });
    expect(withChanges(base, [remove("service", twins[0])]).serviceByName("web")?.id).toBe("svc-twin");
  });

  test("what stands in a view is frozen to the bottom", () => {
    const view = viewOf({ service: [aService("web", { labels: { a: "b" } })] });
    expect(Object.isFrozen(view.get("service", "svc-web")?.spec.labels)).toBe(true);
  });

  test("a change costs the same in a view of many tasks as in one of few", () => {
    const web = aService("web");
    const reads = (size: number) => {
      const view = new LiveView();
      for (let i = 1; i <= size; i++) view.put("task", aTask(web, i, { nodeId: `n${i % 100}` }));
      let seen = 0;
      const watched = new Proxy(aTask(web, 1, { nodeId: "n7" }), {
        get: (target, key) => {
          seen++;
          return Reflect.get(target, key);
        },
      });
      view.put("task", watched);
      return seen;
    };
    expect(reads(5_000)).toBe(reads(5));
  });
});
