import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  NodeWordSchema,
  ProgramOrderSchema,
  VisitAskSchema,
  VisitorWordSchema,
  NodeWord as WireNodeWord,
  ProgramOrder as WireOrder,
  TerminalSize as WireSize,
  VisitAsk as WireVisitAsk,
  VisitorWord as WireVisitorWord,
} from "../gen/shoal/rpc_pb.ts";
import { FAULT_KINDS } from "../lib/index.ts";
import type { ProgramOrder, TerminalSize } from "../model/index.ts";
import { BOUNDS, clip, few, malformed, oneOf, word } from "./bounds.ts";
import { definedOf } from "./defined-of.ts";
import type { NodeWord, VisitorWord, VisitWish } from "./visit-messages.ts";

/** A container's words for docker inspect are not longer, in characters. */
const MAX_LOOKED = 4 * 2 ** 20;
/** A table of processes has no more rows. */
const MAX_ROWS = 100_000;

type VisitorKind = NonNullable<MessageInitShape<typeof VisitorWordSchema>["kind"]>;
type WishKind = NonNullable<MessageInitShape<typeof VisitAskSchema>["what"]>;
type NodeKind = NonNullable<MessageInitShape<typeof NodeWordSchema>["kind"]>;
type Of<W extends { readonly kind: string }, K extends W["kind"]> = Extract<W, { kind: K }>;

const WISH_TO_WIRE: { readonly [K in VisitWish["kind"]]: (wish: Of<VisitWish, K>) => WishKind } = {
  look: () => ({ case: "look", value: {} }),
  processes: ({ args }) => ({ case: "processes", value: { args } }),
  program: ({ order, isDetached }) => ({ case: "program", value: orderToWire(order, isDetached) }),
};

const VISITOR_TO_WIRE: { readonly [K in VisitorWord["kind"]]: (said: Of<VisitorWord, K>) => VisitorKind } = {
  ask: ({ taskId, wish }) => ({
    case: "ask",
    value: { taskId, what: (WISH_TO_WIRE[wish.kind] as (wish: VisitWish) => WishKind)(wish) },
  }),
  input: ({ data }) => ({ case: "input", value: data }),
  "input-end": () => ({ case: "inputEnd", value: {} }),
  resize: ({ size }) => ({ case: "resize", value: size }),
};

function orderToWire(
  { args, env, user, dir, tty, hasInput, size, isPrivileged: privileged = false }: ProgramOrder,
  detached: boolean,
): MessageInitShape<typeof ProgramOrderSchema> {
  const flags = { tty, hasInput, detached, privileged };
  return { args: [...args], env: [...env], ...flags, ...definedOf({ user, dir, size }) };
}

function orderFromWire({ args, env, user, dir, tty, hasInput, size, privileged }: WireOrder): ProgramOrder {
  return {
    ...{ args, env, tty, hasInput },
    ...(privileged && { isPrivileged: true }),
    ...definedOf({ user, dir }),
    ...(size !== undefined && { size: sizeFromWire(size) }),
  };
}

function sizeFromWire({ rows, columns }: WireSize): TerminalSize {
  return { rows, columns };
}

function wishFromWire({ what }: WireVisitAsk): VisitWish | undefined {
  switch (what.case) {
    case "look":
      return { kind: "look" };
    case "processes":
      return { kind: "processes", args: what.value.args };
    case "program":
      return { kind: "program", order: orderFromWire(what.value), isDetached: what.value.detached };
    case undefined:
      return undefined;
  }
}

export function visitorToWire(said: VisitorWord): MessageInitShape<typeof VisitorWordSchema> {
  return { kind: (VISITOR_TO_WIRE[said.kind] as (said: VisitorWord) => VisitorKind)(said) };
}

/** A visitor's word. Undefined for a kind that only newer managers know; Fault "invalid" for a wish that is none. */
export function visitorFromWire({ kind }: WireVisitorWord): VisitorWord | undefined {
  switch (kind.case) {
    case "ask": {
      const wish = wishFromWire(kind.value);
      if (wish === undefined) throw malformed("a visit wants what is not known here");
      return { kind: "ask", taskId: word("taskId", kind.value.taskId, BOUNDS.id), wish };
    }
    case "input":
      return { kind: "input", data: kind.value };
    case "inputEnd":
      return { kind: "input-end" };
    case "resize":
      return { kind: "resize", size: sizeFromWire(kind.value) };
    case undefined:
      return undefined;
  }
}

const NODE_TO_WIRE: { readonly [K in NodeWord["kind"]]: (said: Of<NodeWord, K>) => NodeKind } = {
  come: ({ visitId }) => ({ case: "visitId", value: visitId }),
  refused: ({ fault }) => ({ case: "refused", value: { ...fault, ref: "" } }),
  looked: ({ status, isPaused, json }) => ({ case: "looked", value: { status, paused: isPaused, json } }),
  processes: ({ titles, processes }) => ({
    case: "processes",
    value: { titles: [...titles], rows: processes.map((cells) => ({ cells: [...cells] })) },
  }),
  started: ({ pid }) => ({ case: "started", value: { pid } }),
  output: ({ stream, data }) => ({ case: "output", value: { isStderr: stream === "stderr", data } }),
  ended: ({ exitCode }) => ({ case: "ended", value: { exitCode } }),
};

type Said = Exclude<WireNodeWord["kind"], { case: undefined }>;
type SaidOf<C extends Said["case"]> = Extract<Said, { case: C }>["value"];

const NODE_FROM_WIRE: { readonly [C in Said["case"]]: (value: SaidOf<C>) => NodeWord } = {
  visitId: (visitId) => ({ kind: "come", visitId: word("visitId", visitId, BOUNDS.id) }),
  refused: ({ kind, message }) => ({
    kind: "refused",
    fault: { kind: oneOf("refusal", kind, FAULT_KINDS), message: clip(message) },
  }),
  looked: ({ status, paused, json }) => ({
    kind: "looked",
    status: oneOf("status", status, ["created", "running", "stopped"]),
    isPaused: paused,
    json: word("json", json, MAX_LOOKED),
  }),
  processes: ({ titles, rows }) => {
    if (rows.length > MAX_ROWS) throw malformed(`processes has more than ${MAX_ROWS} rows`);
    return { kind: "processes", titles: few("titles", titles), processes: rows.map(({ cells }) => cells) };
  },
  started: ({ pid }) => ({ kind: "started", pid }),
  output: ({ isStderr, data }) => ({ kind: "output", stream: isStderr ? "stderr" : "stdout", data }),
  ended: ({ exitCode }) => ({ kind: "ended", exitCode: exitCode & 0xff }),
};

export function nodeToWire(said: NodeWord): MessageInitShape<typeof NodeWordSchema> {
  return { kind: (NODE_TO_WIRE[said.kind] as (said: NodeWord) => NodeKind)(said) };
}

/** A node's word, checked: nodes are not believed. Undefined for a kind that only newer nodes know. */
export function nodeFromWire({ kind }: WireNodeWord): NodeWord | undefined {
  if (kind.case === undefined) return undefined;
  return (NODE_FROM_WIRE[kind.case] as (value: Said["value"]) => NodeWord)(kind.value);
}
