/**
 * rpc: what nodes say to each other, over gRPC and mutual TLS: certificates for those who join or stay, one session per
 * agent. It knows who calls and what each may call; it decides nothing else and keeps nothing.
 */
export { type BeatLine, openBeatLine } from "./beat-line.ts";
export { connectDispatcher } from "./connect-dispatcher.ts";
export { connectVisit } from "./connect-visit.ts";
export { type BeatSession, type Heart, PacedHeart } from "./heart.ts";
export { fetchRoot, issueCertificate, renewCertificate } from "./join.ts";
export type {
  AgentMessage,
  AssignmentsMessage,
  GuestAnswer,
  GuestsMessage,
  HelloMessage,
  LogRequest,
  ManagerMessage,
  SentLogLine,
} from "./messages.ts";
export { LOG_WINDOW } from "./messages.ts";
export { RpcServer } from "./rpc-server.ts";
export type {
  AgentStream,
  CertificatesService,
  DispatcherService,
  IssueRequest,
  PeerAddress,
  PeerIdentity,
  SessionStream,
  VisitStream,
  VisitsService,
} from "./services.ts";
export type { NodeWord, VisitorWord, VisitWish } from "./visit-messages.ts";
