/**
 * rpc: what nodes say to each other, over gRPC and mutual TLS: certificates for those who join or stay, one session per
 * agent. It knows who calls and what each may call; it decides nothing else and keeps nothing.
 */
export type {
  AgentMessage,
  AssignmentsMessage,
  HelloMessage,
  LogRequest,
  ManagerMessage,
  SentLogLine,
  WelcomeMessage,
} from "./messages.ts";
export type {
  AgentStream,
  CertificatesService,
  DispatcherService,
  IssueRequest,
  PeerAddress,
  PeerIdentity,
  SessionStream,
} from "./services.ts";
