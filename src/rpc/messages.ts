import type {
  GuestPlace,
  GuestRefusal,
  NodeDescription,
  NumberedWish,
  TaskStatus,
  TunnelEnd,
} from "../model/index.ts";

/** What an agent says on its session. */
export type AgentMessage =
  | HelloMessage
  | {
      readonly kind: "statuses";
      readonly statuses: readonly { readonly taskId: string; readonly status: TaskStatus }[];
    }
  | { readonly kind: "log-lines"; readonly subscriptionId: string; readonly lines: readonly SentLogLine[] }
  /** `error` is empty when all was sent. */
  | { readonly kind: "logs-done"; readonly subscriptionId: string; readonly error: string }
  /** The node's kernel works by the set of this number (`resultsIn`), or by a later one. */
  | { readonly kind: "applied"; readonly sequence: number }
  /** Its last word: the node leaves the cluster for good. */
  | { readonly kind: "farewell" }
  | GuestsMessage;

/** First on every session: who the node is. Empty addresses: take the one the connection comes from. */
export interface HelloMessage {
  readonly kind: "hello";
  readonly description: NodeDescription;
  readonly advertiseAddress: string;
  readonly dataPathAddress: string;
  readonly tunnelEnd: TunnelEnd;
}

/** Wishes for containers made by hand; the node's only ones when `complete`. Each wish is whole, and answered by its number. */
export interface GuestsMessage {
  readonly kind: "guests";
  readonly complete: boolean;
  readonly wishes: readonly NumberedWish[];
}

/** What a manager says on an agent's session. */
export type ManagerMessage =
  | WelcomeMessage
  | AssignmentsMessage
  | LogRequest
  /** So many more "log-lines" messages have been read: as many more may come. */
  | { readonly kind: "log-taken"; readonly subscriptionId: string; readonly batches: number }
  | { readonly kind: "log-cancel"; readonly subscriptionId: string }
  /** No node sends these tasks of this one new connections any more: they may be stopped. */
  | { readonly kind: "drained"; readonly taskIds: readonly string[] }
  | GuestAnswer
  /** Open this visit: what is wanted of the node is said there. */
  | { readonly kind: "visit-request"; readonly visitId: string }
  /** The node is in the cluster no more. */
  | { readonly kind: "leave"; readonly reason: string };

/** A wish for a container is fulfilled, or refused. Its addresses come with the assignments. */
export interface GuestAnswer {
  readonly kind: "guest-answer";
  readonly id: string;
  /** Of the wish. */
  readonly number: number;
  /** Which network each of its words means; empty when it is refused. */
  readonly places: readonly GuestPlace[];
  readonly refusal?: GuestRefusal;
}

export interface WelcomeMessage {
  readonly kind: "welcome";
  readonly sessionId: string;
  readonly heartbeatPeriodMs: number;
  /** Where managers listen: "10.0.0.1:2377". */
  readonly managers: readonly string[];
  readonly cluster: { readonly id: string; readonly dataPathPort: number };
}

/** A whole set of what a node must know, or the difference from the set numbered `appliesTo`. */
export interface AssignmentsMessage {
  readonly kind: "assignments";
  readonly complete: boolean;
  readonly appliesTo: number;
  readonly resultsIn: number;
  readonly upserts: readonly { readonly key: string; readonly json: string }[];
  readonly removals: readonly string[];
}

/** "log-lines" messages that a node may have under way for one subscription, before the reader takes some. */
export const LOG_WINDOW: number = 16;

/** Which lines of which tasks' logs to send. */
export interface LogRequest {
  readonly kind: "log-request";
  readonly subscriptionId: string;
  readonly taskIds: readonly string[];
  readonly follow: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Only the last n lines. */
  readonly tail?: number;
  /** Nanoseconds since 1970, inclusive. */
  readonly since?: bigint;
  readonly until?: bigint;
}

export interface SentLogLine {
  readonly taskId: string;
  /** Nanoseconds since 1970. */
  readonly at: bigint;
  readonly stream: "stdout" | "stderr";
  /** With its newline, when it has one. */
  readonly line: Uint8Array;
}
