import { type Clock, Fault, type Log, messageOf, newId, type Random } from "../lib/index.ts";
import { type Kind, type Node, put } from "../model/index.ts";
import type {
  AgentMessage,
  DispatcherService,
  HelloMessage,
  PeerAddress,
  PeerIdentity,
  SessionStream,
} from "../rpc/index.ts";
import type { ObjectChange, Store } from "../store/index.ts";
import { type AssignmentDiff, AssignmentFeed, idOf } from "./assignment-feed.ts";
import { isAway } from "./assignments.ts";
import type { GuestControl } from "./control/index.ts";
import { Draining } from "./draining.ts";
import { serveGuests } from "./guest-book.ts";
import type { Liveness } from "./liveness.ts";
import type { LogBroker } from "./log-broker.ts";
import type { StatusQueue } from "./statuses.ts";

/** What the dispatcher needs. */
export interface DispatcherParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly liveness: Liveness;
  readonly statuses: StatusQueue;
  readonly logs: LogBroker;
  readonly guests: GuestControl;
}

interface Session {
  readonly nodeId: string;
  readonly stream: SessionStream;
  readonly feed: AssignmentFeed;
  /** Number of the set that the agent holds; 0 before the first. */
  sequence: number;
  /** Number of the set that its kernel works by. */
  applied: number;
}

const REMOVED = "this node was removed from the swarm";

/**
 * Keeps one session per agent: first the whole set of what the node must know, then the differences, each naming the
 * set it applies to; takes statuses and log lines back (swarm-map 3.9).
 */
export class Dispatcher implements DispatcherService {
  readonly #parts: DispatcherParts;
  readonly #sessions = new Map<string, Session>();
  /** By node: the id of the session that it was welcomed to last. */
  readonly #welcomed = new Map<string, string>();
  readonly #draining: Draining;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#draining = new Draining({
      ...parts,
      standingOf: (nodeId) => this.#sessions.get(nodeId),
      tell: (nodeId, taskIds) => this.streamOf(nodeId)?.send({ kind: "drained", taskIds }),
    });
  }

  /** Serves one agent until its stream ends. A newer session of the same node closes the older one. */
  async session(peer: PeerIdentity & PeerAddress, stream: SessionStream, signal: AbortSignal): Promise<void> {
    const { log, random } = this.#parts;
    const feed = new AssignmentFeed(peer.nodeId);
    const session: Session = { nodeId: peer.nodeId, stream, feed, sequence: 0, applied: 0 };
    this.#replace(session);
    try {
      for await (const message of stream.messages) {
        if (signal.aborted) return;
        if (message.kind === "hello") await this.#welcome(session, newId(random), peer.address, message);
        // Who has not said who he is has nothing to say.
        else if (session.sequence > 0) this.#hear(session, message);
      }
    } catch (error) {
      log.info("session broke", { node: peer.nodeId, error: messageOf(error) });
      stream.close(messageOf(error));
    } finally {
      if (this.#isCurrent(session)) {
        this.#sessions.delete(peer.nodeId);
        this.#parts.logs.nodeLeft(peer.nodeId);
      }
    }
  }

  /** Hears that a node lives: by the session that it was welcomed to last, though the stream of that may be lost by now. */
  beat({ nodeId }: PeerIdentity, sessionId: string): number {
    const { liveness, store } = this.#parts;
    if (this.#welcomed.get(nodeId) !== sessionId || isAway(store.view, nodeId))
      throw new Fault("not-found", "that session is over; begin a new one");
    liveness.heard(nodeId);
    return liveness.periodMs();
  }

  /** Sends every session what a commit changed for it. Called once the view has it. */
  push(changes: readonly ObjectChange[]): void {
    const { view } = this.#parts.store;
    for (const session of this.#sessions.values()) {
      if (session.sequence > 0) this.#send(session, session.feed.follow(view, changes));
    }
    const idsOf = (kind: Kind) => changes.filter((change) => change.kind === kind).map(idOf);
    for (const id of idsOf("node")) {
      if (isAway(view, id)) this.#draining.forget(id);
      if (view.get("node", id) === undefined) this.#forget(id);
    }
    this.#draining.begin(
      view,
      idsOf("task").map((id) => view.get("task", id)),
    );
  }

  /** Sends every session what it has missed: sessions may begin before commits are pushed. */
  catchUp(): void {
    const { view } = this.#parts.store;
    for (const session of this.#sessions.values()) {
      if (session.sequence > 0) this.#send(session, session.feed.catchUp(view));
    }
    this.#draining.begin(view, view.all("task"));
  }

  /** Ends all sessions: the manager stops, agents go and look for another. */
  close(reason: string): void {
    this.#draining.close();
    for (const session of this.#sessions.values()) session.stream.close(reason);
  }

  /** The stream to a node that has been welcomed, for log subscriptions. */
  streamOf(nodeId: string): SessionStream | undefined {
    const session = this.#sessions.get(nodeId);
    return session !== undefined && session.sequence > 0 ? session.stream : undefined;
  }

  /** A node that was removed never comes back by its id. */
  #forget(nodeId: string): void {
    this.#welcomed.delete(nodeId);
    this.#parts.liveness.forget(nodeId);
  }

  #isCurrent(session: Session): boolean {
    return this.#sessions.get(session.nodeId) === session;
  }

  #replace(session: Session): void {
    const { nodeId } = session;
    const older = this.#sessions.get(nodeId);
    this.#sessions.set(nodeId, session);
    if (older === undefined) return;
    older.stream.close("a newer session of this node took over");
    this.#parts.logs.nodeLeft(nodeId);
  }

  async #welcome(session: Session, sessionId: string, address: string, hello: HelloMessage): Promise<void> {
    const { store, liveness, logs } = this.#parts;
    if (isLoopback(hello.dataPathAddress) && !isLoopback(address)) {
      // Every other node would take it for itself, and its own processes for a member.
      throw new Fault("invalid", `tunnels cannot end at ${hello.dataPathAddress} for a node at ${address}`);
    }
    // Before and after: a node that is ready must not look silent while the write is under way.
    liveness.heard(session.nodeId);
    const found = await this.#markReady(session.nodeId, address, hello);
    if (!this.#isCurrent(session)) return;
    if (!found) {
      await this.#refuse(session);
      return;
    }
    liveness.heard(session.nodeId);
    this.#welcomed.set(session.nodeId, sessionId);
    const cluster = store.view.cluster();
    session.stream.send({
      kind: "welcome",
      sessionId,
      heartbeatPeriodMs: liveness.periodMs(),
      managers: managersOf([...store.view.all("node")]),
      cluster: { id: cluster?.id ?? "", dataPathPort: cluster?.dataPathPort ?? 0 },
    });
    session.sequence = 0;
    session.applied = 0;
    this.#send(session, session.feed.begin(store.view));
    // What an earlier session was told of its tasks may not have reached it.
    this.#draining.begin(store.view, store.view.tasksByNode(session.nodeId));
    logs.nodeCame(session.nodeId);
  }

  /** A node that was removed while it was away shall leave; one that this manager only has not seen yet, come again. */
  async #refuse(session: Session): Promise<void> {
    const isRemoved = await this.#parts.store.isAbsent("node", session.nodeId);
    if (isRemoved) session.stream.send({ kind: "leave", reason: REMOVED });
    session.stream.close(isRemoved ? REMOVED : "this manager does not know this node yet");
  }

  async #markReady(
    nodeId: string,
    address: string,
    { description, advertiseAddress, dataPathAddress, tunnelEnd }: HelloMessage,
  ): Promise<boolean> {
    let found = false;
    await this.#parts.store.mutate((view) => {
      const node = view.get("node", nodeId);
      found = node !== undefined;
      if (node === undefined) return [];
      const status = { state: "ready", message: "", address: advertiseAddress || address } as const;
      return [
        put("node", {
          ...node,
          description,
          status,
          dataPathAddress: dataPathAddress || status.address,
          tunnelEnd,
        }),
      ];
    });
    return found;
  }

  #hear(session: Session, message: Exclude<AgentMessage, { kind: "hello" }>): void {
    const { liveness, statuses, logs } = this.#parts;
    liveness.heard(session.nodeId);
    switch (message.kind) {
      case "statuses":
        for (const { taskId, status } of message.statuses) {
          statuses.add(session.nodeId, taskId, status);
        }
        return;
      case "log-lines":
        logs.lines(session.nodeId, message.subscriptionId, message.lines);
        return;
      case "logs-done":
        logs.done(session.nodeId, message.subscriptionId, message.error);
        return;
      case "guests":
        void serveGuests(this.#parts, session.nodeId, message, (said) => session.stream.send(said));
        return;
      case "applied":
        if (!this.#isCurrent(session)) return;
        session.applied = Math.min(message.sequence, session.sequence);
        this.#draining.applied(session.nodeId, session);
        return;
      case "farewell":
        if (this.#isCurrent(session)) void liveness.left(session.nodeId);
        return;
    }
  }

  /** The first message of a session holds the whole set, the later ones say to which set they apply. */
  #send(session: Session, { upserts, removals }: AssignmentDiff): void {
    const node = this.#parts.store.view.get("node", session.nodeId);
    if (node === undefined) {
      session.stream.send({ kind: "leave", reason: REMOVED });
      session.stream.close(REMOVED);
      return;
    }
    if (node.status.state === "down") {
      // Its tasks are being replaced: it must come anew and hear what is left of them.
      session.stream.close("this node was declared down; begin a new session");
      return;
    }
    const complete = session.sequence === 0;
    if (!complete && upserts.length === 0 && removals.length === 0) return;
    const appliesTo = session.sequence;
    session.sequence += 1;
    session.stream.send({
      kind: "assignments",
      complete,
      appliesTo,
      resultsIn: session.sequence,
      upserts,
      removals,
    });
  }
}

const isLoopback = (address: string): boolean => address.startsWith("127.");

function managersOf(nodes: readonly Node[]): string[] {
  return nodes.flatMap((node) => (node.managerAddress === undefined ? [] : [node.managerAddress]));
}
