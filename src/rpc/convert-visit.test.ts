import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NodeWordSchema, VisitorWordSchema } from "../gen/shoal/rpc_pb.ts";
import { FAULT_KINDS } from "../lib/index.ts";
import { nodeFromWire, nodeToWire, visitorFromWire, visitorToWire } from "./convert-visit.ts";
import type { NodeWord, VisitorWord, VisitWish } from "./visit-messages.ts";

type Fields<W extends { readonly kind: string }> = {
  readonly [K in W["kind"]]: fc.Arbitrary<Omit<Extract<W, { kind: K }>, "kind">>;
};

const text = fc.string({ maxLength: 20 });
const number = fc.nat({ max: 65_535 });
const data = fc.uint8Array({ maxLength: 100 });
const size = fc.record({ rows: number, columns: number });
const order = fc.record(
  {
    ...{ args: fc.array(text), env: fc.array(text), tty: fc.boolean(), hasInput: fc.boolean() },
    ...{ user: text, dir: text, size, isPrivileged: fc.constant(true) },
  },
  { requiredKeys: ["args", "env", "tty", "hasInput"] },
);

const WISHES: Fields<VisitWish> = {
  look: fc.constant({}),
  processes: fc.record({ args: text }),
  program: fc.record({ order, isDetached: fc.boolean() }),
};
const wish = fc.oneof(
  ...Object.entries(WISHES).map(([kind, fields]) =>
    (fields as fc.Arbitrary<object>).map((rest) => ({ kind, ...rest }) as VisitWish),
  ),
);

/** One arbitrary a kind: a kind that is missing here does not compile. */
const VISITOR: Fields<VisitorWord> = {
  ask: fc.record({ taskId: text, wish }),
  input: fc.record({ data }),
  "input-end": fc.constant({}),
  resize: fc.record({ size }),
};
const NODE: Fields<NodeWord> = {
  come: fc.record({ visitId: text }),
  refused: fc.record({ fault: fc.record({ kind: fc.constantFrom(...FAULT_KINDS), message: text }) }),
  looked: fc.record({
    status: fc.constantFrom("created" as const, "running" as const, "stopped" as const),
    ...{ isPaused: fc.boolean(), json: fc.json() },
  }),
  processes: fc.record({ titles: fc.array(text), processes: fc.array(fc.array(text)) }),
  started: fc.record({ pid: number }),
  output: fc.record({ stream: fc.constantFrom("stdout" as const, "stderr" as const), data }),
  ended: fc.record({ exitCode: fc.nat({ max: 255 }) }),
};

const travelVisitor = (said: VisitorWord) =>
  visitorFromWire(
    fromBinary(
      VisitorWordSchema,
      toBinary(VisitorWordSchema, create(VisitorWordSchema, visitorToWire(said))),
    ),
  );
const travelNode = (said: NodeWord) =>
  nodeFromWire(
    fromBinary(NodeWordSchema, toBinary(NodeWordSchema, create(NodeWordSchema, nodeToWire(said)))),
  );

describe("words of a visit come out of their bytes as they went in", () => {
  test.each(Object.entries(VISITOR))("visitor: %s", (kind, fields) => {
    fc.assert(
      fc.property(fields as fc.Arbitrary<object>, (rest) => {
        const said = { kind, ...rest } as VisitorWord;
        expect(travelVisitor(said)).toEqual(said);
      }),
    );
  });

  test.each(Object.entries(NODE))("node: %s", (kind, fields) => {
    fc.assert(
      fc.property(fields as fc.Arbitrary<object>, (rest) => {
        const said = { kind, ...rest } as NodeWord;
        expect(travelNode(said)).toEqual(said);
      }),
    );
  });
});

describe("a node is not believed", () => {
  const heard = (
    kind: Parameters<typeof create<typeof NodeWordSchema>>[1] extends infer I ? NonNullable<I> : never,
  ) => nodeFromWire(create(NodeWordSchema, kind));

  test("a status, a kind of refusal and words that no node says are refused", () => {
    const looked = { status: "well", paused: false, json: "{}" };
    expect(() => heard({ kind: { case: "looked", value: looked } })).toThrow("status is not one of");
    const long = { status: "running", paused: false, json: "x".repeat(5 * 2 ** 20) };
    expect(() => heard({ kind: { case: "looked", value: long } })).toThrow("json has 5242880 characters");
    expect(() => heard({ kind: { case: "refused", value: { kind: "odd" } } })).toThrow(
      "refusal is not one of",
    );
    expect(() => heard({ kind: { case: "visitId", value: "v".repeat(200) } })).toThrow("visitId has 200");
  });

  test("an exit code is a byte, a kind of word that is not known is none", () => {
    expect(heard({ kind: { case: "ended", value: { exitCode: -1 } } })).toEqual({
      kind: "ended",
      exitCode: 255,
    });
    expect(nodeFromWire(create(NodeWordSchema, {}))).toBeUndefined();
    expect(visitorFromWire(create(VisitorWordSchema, {}))).toBeUndefined();
    const ask = create(VisitorWordSchema, { kind: { case: "ask", value: { taskId: "t" } } });
    expect(() => visitorFromWire(ask)).toThrow("a visit wants what is not known here");
  });
});
