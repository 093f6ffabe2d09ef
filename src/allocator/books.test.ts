import fc from "fast-check";
import { expect, test } from "vitest";
import { type Change, type Kind, put, remove, type Service, TASK_STATES, type Task } from "../model/index.ts";
import { aGuest, aNode, aService, aTask, T0 } from "../model/objects.fake.ts";
import { Draft, LiveView } from "../store/index.ts";
import { BOOKS, type Books } from "./books.ts";

const NODES = ["n1", "n2"] as const;
const NETWORKS = ["a", "b"] as const;
const ADDRESSES = ["10.0.0.2", "10.0.0.3", "10.0.0.4"] as const;
const ADDRESSES6 = ["fd00:1::2", "fd00:1::3"] as const;
const PORTS = [80, 81] as const;

const place = fc
  .record({
    networkId: fc.constantFrom(...NETWORKS),
    address: fc.constantFrom(...ADDRESSES),
    address6: fc.constantFrom(undefined, ...ADDRESSES6),
  })
  .map(({ address6, ...rest }) => ({ ...rest, ...(address6 !== undefined && { address6 }) }));
const attachments = fc.uniqueArray(place, { selector: (a) => a.networkId });
const task: fc.Arbitrary<Change> = fc
  .record({
    id: fc.integer({ min: 1, max: 5 }),
    node: fc.constantFrom(undefined, ...NODES),
    state: fc.constantFrom(...TASK_STATES),
    attachments,
  })
  .map(({ id, node, state, attachments: held }) => {
    const status = { at: T0, state, message: "" };
    const plain = aTask(aService("web"), 1, { id: `t${id}`, status, attachments: held });
    return put("task", { ...plain, ...(node !== undefined && { nodeId: node }) });
  });
const guest: fc.Arbitrary<Change> = fc
  .record({ digit: fc.constantFrom("a", "b"), node: fc.constantFrom(...NODES), attachments })
  .map(({ digit, node, attachments: held }) =>
    put("guest", { ...aGuest(digit, node, {}), attachments: held }),
  );
const node: fc.Arbitrary<Change> = fc
  .record({
    id: fc.constantFrom(...NODES),
    state: fc.constantFrom("ready" as const, "down" as const),
    attachments,
  })
  .map(({ id, state, attachments: held }) =>
    put(
      "node",
      aNode(id, {
        status: { state, message: "", address: "" },
        attachments: Object.fromEntries(held.map((a) => [a.networkId, a.address])),
      }),
    ),
  );
const service: fc.Arbitrary<Change> = fc
  .record({
    name: fc.constantFrom("web", "api"),
    vips: attachments,
    ports: fc.uniqueArray(fc.constantFrom(...PORTS)),
  })
  .map(({ name, vips, ports }) => {
    const plain = aService(name);
    const published = ports.map((p) => ({
      name: "",
      protocol: "tcp" as const,
      target: p,
      published: p,
      publishMode: "ingress" as const,
    }));
    return put("service", {
      ...plain,
      endpoint: { spec: plain.spec.endpoint, ports: published, vips },
    } as Service);
  });
const change: fc.Arbitrary<Change> = fc
  .tuple(fc.oneof(task, guest, node, service), fc.nat(3))
  .map(([c, dice]) => (dice === 0 && c.op === "put" ? remove<Kind>(c.kind, c.object) : c));

function write(view: LiveView, changes: readonly Change[]): void {
  for (const c of changes) {
    if (c.op === "put") view.put<Kind>(c.kind, c.object);
    else view.delete(c.kind, c.id);
  }
}

/** All that the books say, as plain data. */
function sayings(books: Books): unknown {
  return {
    held: NETWORKS.map((id) => [
      ...[books.used(id), books.used(id, 6)],
      ...[...ADDRESSES, ...ADDRESSES6].map((address) => books.isHeld(id, address)),
    ]),
    ports: PORTS.map((p) => books.publishers(`tcp/${p}`).toSorted()),
    nodes: NODES.map((id) => [books.networksOf(id).toSorted(), books.isStranding(id)]),
    air: NETWORKS.map((id) => [books.strangers(id), books.airborne(id)]),
    stranded: books.hasStranded,
  };
}

type Resident = Pick<Task, "nodeId" | "attachments">;

/** The same by walks over all objects. */
function walked(view: LiveView): unknown {
  const living: Resident[] = [
    ...[...view.all("task")].filter(
      (t) => TASK_STATES.indexOf(t.status.state) < TASK_STATES.indexOf("complete"),
    ),
    ...view.all("guest"),
  ];
  const nodes = [...view.all("node")];
  const services = [...view.all("service")];
  const holders = (networkId: string, address: string) => [
    ...[...living.flatMap((t) => t.attachments), ...services.flatMap((s) => s.endpoint?.vips ?? [])].filter(
      (a) => a.networkId === networkId && (a.address === address || a.address6 === address),
    ),
    ...nodes.filter((n) => n.attachments[networkId] === address),
  ];
  const lacks = (t: Resident, networkId: string) =>
    nodes.find((n) => n.id === t.nodeId)?.attachments[networkId] === undefined;
  const onNet = (networkId: string) =>
    living.filter((t) => t.attachments.some((a) => a.networkId === networkId));
  const stranded = (id: string) =>
    NETWORKS.some((net) => onNet(net).some((t) => t.nodeId === id && lacks(t, net)));
  return {
    held: NETWORKS.map((id) => {
      const [held, held6] = [ADDRESSES, ADDRESSES6].map((all) => all.map((a) => holders(id, a).length > 0));
      const counts = [held, held6].map((of) => of?.filter(Boolean).length);
      return [...counts, ...(held ?? []), ...(held6 ?? [])];
    }),
    ports: PORTS.map((p) =>
      services
        .filter((s) => s.endpoint?.ports.some((q) => q.published === p))
        .map((s) => s.id)
        .sort(),
    ),
    nodes: NODES.map((id) => [
      NETWORKS.filter((net) => onNet(net).some((t) => t.nodeId === id)),
      stranded(id),
    ]),
    air: NETWORKS.map((id) => [
      nodes.filter((n) => n.status.state !== "down" && n.attachments[id] === undefined).length,
      onNet(id).filter((t) => lacks(t, id)).length,
    ]),
    stranded: NODES.some(stranded),
  };
}

test("books that were kept, in a view and in drafts on it, say what a walk over all objects says", () => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 30 }),
      fc.array(change, { maxLength: 10 }),
      fc.array(change, { maxLength: 10 }),
      (first, second, third) => {
        const view = new LiveView();
        view.derive(BOOKS);
        write(view, first);
        expect(sayings(view.derive(BOOKS))).toEqual(walked(view));
        const draft = new Draft(view);
        draft.write(second);
        const mirror = new LiveView();
        for (const changes of [first, second]) write(mirror, changes);
        expect(sayings(draft.derive(BOOKS))).toEqual(walked(mirror));
        draft.write(third);
        write(mirror, third);
        expect(sayings(draft.derive(BOOKS))).toEqual(walked(mirror));
        expect(sayings(view.derive(BOOKS))).toEqual(walked(view));
      },
    ),
    { numRuns: 300 },
  );
});
