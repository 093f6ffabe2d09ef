import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  AgentMessageSchema,
  LogLine,
  AgentMessage as WireMessage,
  TunnelEnd as WireTunnelEnd,
} from "../gen/shoal/rpc_pb.ts";
import type { TunnelEnd } from "../model/index.ts";
import { BOUNDS, clip, count, ipv4, malformed, oneOf, word } from "./bounds.ts";
import { wishFromWire, wishToWire } from "./convert-guest.ts";
import { descriptionFromWire, descriptionToWire, statusFromWire, statusToWire } from "./convert-status.ts";
import type { AgentMessage, SentLogLine } from "./messages.ts";

type WireKind = NonNullable<MessageInitShape<typeof AgentMessageSchema>["kind"]>;
type Of<K extends AgentMessage["kind"]> = Extract<AgentMessage, { kind: K }>;

const TO_WIRE: { readonly [K in AgentMessage["kind"]]: (message: Of<K>) => WireKind } = {
  hello: ({ description, advertiseAddress, dataPathAddress, tunnelEnd }) => ({
    case: "hello",
    value: { description: descriptionToWire(description), advertiseAddress, dataPathAddress, tunnelEnd },
  }),
  statuses: ({ statuses }) => ({
    case: "statuses",
    value: { statuses: statuses.map(({ taskId, status }) => ({ taskId, status: statusToWire(status) })) },
  }),
  "log-lines": ({ subscriptionId, lines }) => ({
    case: "logLines",
    value: { subscriptionId, lines: lines.map((line) => ({ ...line })) },
  }),
  "logs-done": ({ subscriptionId, error }) => ({ case: "logsDone", value: { subscriptionId, error } }),
  applied: ({ sequence }) => ({ case: "applied", value: { sequence: BigInt(sequence) } }),
  guests: ({ complete, wishes }) => ({
    case: "guests",
    value: { complete, wishes: wishes.map(wishToWire) },
  }),
  farewell: () => ({ case: "farewell", value: {} }),
};

type Said = Exclude<WireMessage["kind"], { case: undefined }>;
type SaidOf<C extends Said["case"]> = Extract<Said, { case: C }>["value"];

const FROM_WIRE: { readonly [C in Said["case"]]: (value: SaidOf<C>) => AgentMessage } = {
  hello: ({ description, advertiseAddress, dataPathAddress, tunnelEnd }) => ({
    kind: "hello",
    description: descriptionFromWire(description),
    advertiseAddress: ipv4("advertiseAddress", advertiseAddress),
    dataPathAddress: ipv4("dataPathAddress", dataPathAddress),
    tunnelEnd: tunnelEndFromWire(tunnelEnd),
  }),
  statuses: ({ statuses }) => ({
    kind: "statuses",
    statuses: statuses.map(({ taskId, status }) => {
      if (status === undefined) throw malformed("a report has no status");
      return { taskId: word("taskId", taskId, BOUNDS.id), status: statusFromWire(status) };
    }),
  }),
  logLines: ({ subscriptionId, lines }) => ({
    kind: "log-lines",
    subscriptionId: word("subscriptionId", subscriptionId, BOUNDS.id),
    lines: lines.map(lineFromWire),
  }),
  logsDone: ({ subscriptionId, error }) => ({
    kind: "logs-done",
    subscriptionId: word("subscriptionId", subscriptionId, BOUNDS.id),
    error: clip(error),
  }),
  applied: ({ sequence }) => ({ kind: "applied", sequence: count("sequence", sequence) }),
  guests: ({ complete, wishes }) => ({ kind: "guests", complete, wishes: wishes.map(wishFromWire) }),
  farewell: () => ({ kind: "farewell" }),
};

/** An agent that says nothing of it knows nothing of it. */
function tunnelEndFromWire(said: WireTunnelEnd | undefined): TunnelEnd {
  if (said === undefined) return { boot: "", lack: "its shoald knows nothing of encrypted networks" };
  return { boot: word("boot", said.boot, BOUNDS.id), lack: clip(said.lack) };
}

function lineFromWire({ taskId, at, stream, line }: LogLine): SentLogLine {
  return {
    taskId: word("taskId", taskId, BOUNDS.id),
    at,
    stream: oneOf("line.stream", stream, ["stdout", "stderr"]),
    line,
  };
}

export function agentToWire(message: AgentMessage): MessageInitShape<typeof AgentMessageSchema> {
  const toWire = TO_WIRE[message.kind] as (message: AgentMessage) => WireKind;
  return { kind: toWire(message) };
}

/** An agent's message, checked: agents are not believed. Undefined for a kind that only newer agents know. */
export function agentFromWire({ kind }: WireMessage): AgentMessage | undefined {
  if (kind.case === undefined) return undefined;
  const fromWire = FROM_WIRE[kind.case] as (value: Said["value"]) => AgentMessage;
  return fromWire(kind.value);
}
