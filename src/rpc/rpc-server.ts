import { Certificates, Dispatcher, Visits } from "../gen/shoal/rpc_pb.ts";
import type { NodeIdentity } from "../identity/index.ts";
import { aborted, type Clock, Fault, type Log, messageOf } from "../lib/index.ts";
import type { NodeRole } from "../model/index.ts";
import { BOUNDS, oneOf, word } from "./bounds.ts";
import { expiry } from "./expiry.ts";
import { NodeServer } from "./node-server.ts";
import { serveVisit } from "./served-visit.ts";
import type { CertificatesService, DispatcherService, VisitsService } from "./services.ts";
import { ServedSession } from "./session-stream.ts";

export interface RpcServerParts {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Whom this manager presents itself as. */
  readonly identity: NodeIdentity;
  readonly services: {
    readonly certificates: CertificatesService;
    readonly dispatcher: DispatcherService;
    readonly visits: VisitsService;
  };
  readonly clock: Clock;
  readonly log: Log;
}

/** What a manager offers to other nodes on port 2377. */
export class RpcServer {
  /** The port it listens on. */
  readonly port: number;
  readonly #server: NodeServer;

  private constructor(server: NodeServer, port: number) {
    this.#server = server;
    this.port = port;
  }

  /** A server that listens. Faults: "exists" when the port is taken; "invalid" when the address is not this machine's. */
  static async listen(parts: RpcServerParts): Promise<RpcServer> {
    const server = new NodeServer(parts);
    offerCertificates(server, parts.services.certificates);
    offerSessions(server, parts);
    offerVisits(server, parts);
    return new RpcServer(server, await server.listen(parts));
  }

  /** Serves until the signal aborts; `close` then ends what is open. */
  run(signal: AbortSignal): Promise<void> {
    return aborted(signal);
  }

  /** A renewed certificate for new connections; sessions go on. */
  setIdentity(identity: NodeIdentity): void {
    this.#server.setIdentity(identity);
  }

  /** Stops listening, lets sessions that are closing end, cuts what is left. */
  close(): Promise<void> {
    return this.#server.close();
  }
}

// Who may call what. What is not named here cannot be called at all.
const NODES: readonly NodeRole[] = ["worker", "manager"];

function offerCertificates(server: NodeServer, certificates: CertificatesService): void {
  const { method } = Certificates;
  server.openUnary(method.getRoot, () => certificates.getRoot());
  server.openUnary(method.issue, async ({ token, csrPem, availability }, peer) => {
    const wanted = oneOf("availability", availability, ["", "active", "pause", "drain"]);
    return certificates.issue({ token: word("token", token), csrPem, availability: wanted }, peer);
  });
  server.unary(method.renew, NODES, ({ csrPem }, node) => certificates.renew({ csrPem }, node));
}

function offerSessions(server: NodeServer, { clock, log, services }: RpcServerParts): void {
  server.unary(Dispatcher.method.beat, NODES, async ({ sessionId }, node) => {
    return { periodMs: services.dispatcher.beat(node, word("sessionId", sessionId, BOUNDS.id)) };
  });
  server.bidi(Dispatcher.method.session, NODES, (call, node, disconnect) => {
    const session = new ServedSession(call, { clock, disconnect });
    const stop = expiry(clock, node.notAfter, () => {
      session.end(new Fault("unauthorized", "session ended: this node's certificate has expired"));
    });
    services.dispatcher
      .session(node, session, session.signal)
      .then(
        () => session.end(),
        (error: unknown) => {
          log.warn("session failed", { node: node.nodeId, error: messageOf(error) });
          session.end(Fault.from(error));
        },
      )
      .finally(stop);
  });
}

function offerVisits(server: NodeServer, { clock, services }: RpcServerParts): void {
  server.bidi(Visits.method.visit, NODES, (call, node, disconnect) => {
    const { stream, refuse } = serveVisit(call, { clock, disconnect });
    const stop = expiry(clock, node.notAfter, disconnect);
    services.visits
      .visit(node, stream)
      .then(
        () => stream.close(),
        (error: unknown) => refuse(Fault.from(error)),
      )
      .finally(stop);
  });
}
