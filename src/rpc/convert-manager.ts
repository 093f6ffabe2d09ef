import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ManagerMessageSchema, ManagerMessage as WireMessage } from "../gen/shoal/rpc_pb.ts";
import { refusalFromWire } from "./convert-guest.ts";
import { definedOf } from "./defined-of.ts";
import type { ManagerMessage } from "./messages.ts";

type WireKind = NonNullable<MessageInitShape<typeof ManagerMessageSchema>["kind"]>;
type Of<K extends ManagerMessage["kind"]> = Extract<ManagerMessage, { kind: K }>;

const TO_WIRE: { readonly [K in ManagerMessage["kind"]]: (message: Of<K>) => WireKind } = {
  welcome: ({ sessionId, heartbeatPeriodMs, managers, cluster }) => ({
    case: "welcome",
    value: {
      sessionId,
      heartbeatPeriodMs,
      managers: [...managers],
      clusterId: cluster.id,
      dataPathPort: cluster.dataPathPort,
    },
  }),
  assignments: ({ complete, appliesTo, resultsIn, upserts, removals }) => ({
    case: "assignments",
    value: {
      complete,
      appliesTo: BigInt(appliesTo),
      resultsIn: BigInt(resultsIn),
      upserts: upserts.map(({ key, json }) => ({ key, json })),
      removals: [...removals],
    },
  }),
  "log-request": ({ subscriptionId, taskIds, follow, stdout, stderr, tail, since, until }) => ({
    case: "logRequest",
    value: {
      ...{ subscriptionId, taskIds: [...taskIds], follow, stdout, stderr },
      ...definedOf({ tail, since, until }),
    },
  }),
  "log-taken": ({ subscriptionId, batches }) => ({ case: "logTaken", value: { subscriptionId, batches } }),
  "log-cancel": ({ subscriptionId }) => ({ case: "logCancel", value: { subscriptionId } }),
  drained: ({ taskIds }) => ({ case: "drained", value: { taskIds: [...taskIds] } }),
  "guest-answer": ({ id, number, places, refusal }) => ({
    case: "guestAnswer",
    value: { id, number, places: places.map((place) => ({ ...place })), ...definedOf({ refusal }) },
  }),
  "visit-request": ({ visitId }) => ({ case: "visitRequest", value: { visitId } }),
  leave: ({ reason }) => ({ case: "leave", value: { reason } }),
};

type Said = Exclude<WireMessage["kind"], { case: undefined }>;
type SaidOf<C extends Said["case"]> = Extract<Said, { case: C }>["value"];

const FROM_WIRE: { readonly [C in Said["case"]]: (value: SaidOf<C>) => ManagerMessage } = {
  welcome: ({ sessionId, heartbeatPeriodMs, managers, clusterId, dataPathPort }) => ({
    kind: "welcome",
    sessionId,
    heartbeatPeriodMs,
    managers,
    cluster: { id: clusterId, dataPathPort },
  }),
  assignments: ({ complete, appliesTo, resultsIn, upserts, removals }) => ({
    kind: "assignments",
    complete,
    appliesTo: Number(appliesTo),
    resultsIn: Number(resultsIn),
    upserts: upserts.map(({ key, json }) => ({ key, json })),
    removals,
  }),
  logRequest: ({ subscriptionId, taskIds, follow, stdout, stderr, tail, since, until }) => ({
    kind: "log-request",
    ...{ subscriptionId, taskIds, follow, stdout, stderr },
    ...definedOf({ tail, since, until }),
  }),
  logTaken: ({ subscriptionId, batches }) => ({ kind: "log-taken", subscriptionId, batches }),
  logCancel: ({ subscriptionId }) => ({ kind: "log-cancel", subscriptionId }),
  drained: ({ taskIds }) => ({ kind: "drained", taskIds }),
  guestAnswer: ({ id, number, places, refusal }) => ({
    kind: "guest-answer",
    ...{ id, number },
    places: places.map(({ ref, networkId, name }) => ({ ref, networkId, name })),
    ...(refusal !== undefined && { refusal: refusalFromWire(refusal) }),
  }),
  visitRequest: ({ visitId }) => ({ kind: "visit-request", visitId }),
  leave: ({ reason }) => ({ kind: "leave", reason }),
};

export function managerToWire(message: ManagerMessage): MessageInitShape<typeof ManagerMessageSchema> {
  const toWire = TO_WIRE[message.kind] as (message: ManagerMessage) => WireKind;
  return { kind: toWire(message) };
}

/** A manager's message. Undefined for a kind that only newer managers know. */
export function managerFromWire({ kind }: WireMessage): ManagerMessage | undefined {
  if (kind.case === undefined) return undefined;
  const fromWire = FROM_WIRE[kind.case] as (value: Said["value"]) => ManagerMessage;
  return fromWire(kind.value);
}
