import type { NodeRole } from "../model/index.ts";
import type { AgentMessage, ManagerMessage } from "./messages.ts";
import type { NodeWord, VisitorWord } from "./visit-messages.ts";

/** Who calls, as the certificate says. */
export interface PeerIdentity {
  readonly nodeId: string;
  readonly role: NodeRole;
  readonly clusterId: string;
}

/** Where a call comes from: an IP address without port. */
export interface PeerAddress {
  readonly address: string;
}

/** A wish to join. */
export interface IssueRequest {
  readonly token: string;
  readonly csrPem: string;
  /** "active", "pause", "drain", or "" for active. */
  readonly availability: string;
}

/** What a manager offers to nodes that join or stay. */
export interface CertificatesService {
  getRoot(): Promise<{ certificatePem: string }>;
  issue(
    request: IssueRequest,
    peer: PeerAddress,
  ): Promise<{ nodeId: string; certificatePem: string; rootPem: string }>;
  renew(
    request: { csrPem: string },
    peer: PeerIdentity & PeerAddress,
  ): Promise<{ certificatePem: string; rootPem: string }>;
}

/** What a manager offers to agents. */
export interface DispatcherService {
  /** Serves one session until its messages end or the signal aborts. */
  session(peer: PeerIdentity & PeerAddress, stream: SessionStream, signal: AbortSignal): Promise<void>;
  /**
   * The node lives, and still holds the session that it was welcomed to by this id. Returns how many milliseconds to wait
   * until the next beat. Fault "not-found" when that session is not the node's: it must begin one anew.
   */
  beat(peer: PeerIdentity, sessionId: string): number;
}

/** What a manager offers to nodes that it asked to open a visit. */
export interface VisitsService {
  /** Serves one visit until it is over. Fault "not-found" for one that this node was not asked for. */
  visit(peer: PeerIdentity, stream: VisitStream<VisitorWord, NodeWord>): Promise<void>;
}

/** One end of a visit. */
export interface VisitStream<Out, In> {
  /** In order, no faster than they are read, until the other end has said all or is lost; throws the reason when there is one. */
  readonly messages: AsyncIterable<In>;
  /** Settles when there is room for more, and at once when the visit is over. */
  send(message: Out): Promise<void>;
  /** Ends the visit after what was sent has gone out. */
  close(): void;
  /** Aborts when it is over, either way. */
  readonly over: AbortSignal;
}

/** A manager's end of a session. */
export interface SessionStream {
  /**
   * In order, until the agent closes or its connection is lost. Faults: "invalid" when it said what no agent says,
   * "unavailable" when it reads nothing any more.
   */
  readonly messages: AsyncIterable<AgentMessage>;
  /** Queues a message; after `close` it does nothing. */
  send(message: ManagerMessage): void;
  /** Ends the session after what was sent has gone out. The agent reads the reason as an "unavailable" Fault. */
  close(reason: string): void;
}

/** An agent's end of a session. */
export interface AgentStream {
  /** Queues a message; after `close` it does nothing. */
  send(message: AgentMessage): void;
  /** In order, until the session is over; throws the manager's Fault when it was ended for a reason. */
  readonly messages: AsyncIterable<ManagerMessage>;
  /** Ends the session after what was sent has gone out. */
  close(): void;
}
