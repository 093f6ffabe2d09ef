import { join } from "node:path";
import {
  Agent,
  AssignmentsFile,
  describeNode,
  type PortName,
  type Readiness,
  type Welcome,
} from "../agent/index.ts";
import type { NetworkFacts } from "../dataplane/index.ts";
import { type NodeIdentity, runRenewal } from "../identity/index.ts";
import { aborted, type Run, runGroup } from "../lib/index.ts";
import { Manager } from "../manager/index.ts";
import type { News } from "../model/index.ts";
import { connectDispatcher, connectVisit, RpcServer, renewCertificate } from "../rpc/index.ts";
import type { ObjectChange } from "../store/index.ts";
import { splitAddress } from "./addresses.ts";
import { ClusterStore } from "./cluster-store.ts";
import { parseGenericResources } from "./generic-resources.ts";
import { ownSubnets } from "./local-networks.ts";
import type { NodeParts } from "./node-parts.ts";
import type { NodeState } from "./node-state.ts";
import { ThreadHeart } from "./thread-heart.ts";

/** What a member tells whoever started it. */
export interface MemberListener {
  /** The node's state or identity has changed: keep it. */
  onState(state: NodeState): void;
  onIdentity(identity: NodeIdentity): void;
  /** A manager says that this node was removed. */
  onRemoved(reason: string): void;
}

interface ManagerSide {
  readonly cluster: ClusterStore;
  readonly manager: Manager;
  readonly server: RpcServer;
}

export interface MemberStart {
  readonly folder: string;
  readonly state: NodeState;
  readonly identity: NodeIdentity;
  readonly listener: MemberListener;
  /** A manager's store, when it is open already. */
  readonly cluster?: ClusterStore;
}

/** This node as a member of a swarm, while it runs: its agent, and on a manager the store and what serves it. */
export class Member {
  readonly #parts: NodeParts;
  readonly #listener: MemberListener;
  readonly #side: ManagerSide | undefined;
  readonly #agent: Agent;
  readonly #heart: ThreadHeart;
  readonly #stop = new AbortController();
  readonly #welcome = new AbortController();
  /** Settles when the member has ended: by `stop`, or with what broke it. */
  readonly ended: Promise<void>;
  #state: NodeState;
  #identity: NodeIdentity;

  private constructor(parts: NodeParts, start: MemberStart, side: ManagerSide | undefined) {
    this.#parts = parts;
    this.#listener = start.listener;
    this.#state = start.state;
    this.#identity = start.identity;
    this.#side = side;
    this.#heart = new ThreadHeart({ ...parts, identity: start.identity });
    this.#agent = this.#makeAgent(start.folder);
    this.ended = this.#run();
    this.ended.catch(() => undefined);
  }

  /** Starts all of it. Faults: "unavailable" when etcd cannot start or the cluster's port is taken. */
  static async start(parts: NodeParts, start: MemberStart): Promise<Member> {
    if (start.state.role === "worker") return new Member(parts, start, undefined);
    const { clock, random, log, config } = parts;
    const store = { folder: start.folder, runDir: config["exec-root"], clock, log };
    const cluster = start.cluster ?? (await ClusterStore.open(store));
    try {
      const manager = new Manager({
        store: cluster.store,
        clock,
        random,
        log,
        ownSubnets: ownSubnets(config),
      });
      const { host, port } = splitAddress(start.state.listenAddress);
      const { certificates, dispatcher, visits } = manager;
      const services = { certificates, dispatcher, visits };
      const server = await RpcServer.listen({ host, port, identity: start.identity, services, clock, log });
      return new Member(parts, start, { cluster, manager, server });
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  get state(): NodeState {
    return this.#state;
  }

  get manager(): Manager | undefined {
    return this.#side?.manager;
  }

  /** Aborts once a manager has welcomed this node. */
  get welcomed(): AbortSignal {
    return this.#welcome.signal;
  }

  /** The node that leads, as far as this manager knows; undefined while there is none, and on workers. */
  leaderId(): string | undefined {
    return this.#side?.cluster.leader;
  }

  /** What the node's network is built from. */
  facts(): NetworkFacts {
    return this.#agent.facts();
  }

  /** Whether this node may be sent connections from outside. */
  readiness(port?: PortName): Readiness {
    return this.#agent.readiness(port);
  }

  /** The node leaves for good: its last word. */
  farewell(): void {
    this.#agent.farewell();
  }

  /** Ends all loops; containers and kernel state stay. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("the node stops"));
    await this.ended.catch(() => undefined);
  }

  async #run(): Promise<void> {
    try {
      const own: Run[] = [this.#renewal(), (s) => this.#heart.run(s), (s) => this.#agent.run(s)];
      await runGroup([...this.#managerRuns(), ...own], this.#stop.signal);
    } finally {
      this.#side?.manager.visits.close();
      await this.#side?.server.close();
      await this.#side?.cluster.close();
    }
  }

  #managerRuns(): Run[] {
    const side = this.#side;
    if (side === undefined) return [];
    const { cluster, manager, server } = side;
    return [
      (s) => cluster.run(s),
      (s) => server.run(s),
      (s) => cluster.lead(this.#state.nodeId, (leading) => manager.run(leading), s),
      (s) => this.#tellEvents(cluster, s),
    ];
  }

  async #tellEvents({ store }: ClusterStore, signal: AbortSignal): Promise<void> {
    const { clusterId } = this.#state;
    const { events } = this.#parts;
    const known = [...store.view.all("news")].sort((a, b) => a.version - b.version);
    events.tellNews(clusterId, known, true);
    const unsubscribe = store.subscribe((changes) => events.tellNews(clusterId, newsIn(changes)));
    await aborted(signal);
    unsubscribe();
  }

  #renewal(): Run {
    const { clock, random, log } = this.#parts;
    return (signal) =>
      runRenewal(
        {
          current: () => this.#identity,
          renew: (csrPem) => renewCertificate(this.#managerAddress(), this.#identity, csrPem, signal),
          adopt: (identity) => this.#adopt(identity),
          clock,
          random,
          log,
        },
        signal,
      );
  }

  #adopt(identity: NodeIdentity): void {
    this.#identity = identity;
    this.#listener.onIdentity(identity);
    this.#side?.server.setIdentity(identity);
    this.#heart.setIdentity(identity);
  }

  #managerAddress(): string {
    return this.#managers()[0] ?? "";
  }

  /** A manager speaks to itself over its own socket, whatever address others know it by. */
  #managers(): readonly string[] {
    if (this.#side === undefined) return this.#state.managers;
    const { host, port } = splitAddress(this.#state.listenAddress);
    return [`${host === "0.0.0.0" ? "127.0.0.1" : host}:${port}`];
  }

  #makeAgent(folder: string): Agent {
    const { config, version, netnsDir, network, clock, log } = this.#parts;
    const { nodeId, dataPathAddress, dataPathPort, advertiseAddress } = this.#state;
    return new Agent({
      ...this.#parts,
      settings: { nodeId, dataPathAddress, dataPathPort, ipv6: network.hasIpv6 },
      advertiseAddress,
      managers: this.#managers(),
      netnsDir,
      assignments: new AssignmentsFile(join(folder, "assignments.json"), log),
      dns: network.dns,
      connect: (address, signal) => connectDispatcher({ address, identity: this.#identity, clock }, signal),
      heart: this.#heart,
      visits: {
        ...this.#parts.looks,
        connect: (address, visitId, signal) =>
          connectVisit({ address, identity: this.#identity, clock }, visitId, signal),
      },
      describe: () =>
        describeNode(
          config.hostname,
          version,
          labelsOf(config.labels),
          parseGenericResources(config["node-generic-resources"]),
        ),
      onWelcome: (welcome) => this.#onWelcome(welcome),
      onLeave: (reason) => this.#listener.onRemoved(reason),
    });
  }

  #onWelcome({ managers, dataPathPort }: Welcome): void {
    this.#welcome.abort();
    const known = managers.length > 0 ? managers : this.#state.managers;
    this.#state = { ...this.#state, managers: known, dataPathPort };
    this.#listener.onState(this.#state);
  }
}

/** In the order of their commits, of which a listing brings many. */
function newsIn(changes: readonly ObjectChange[]): News[] {
  return changes
    .flatMap(({ kind, after }) => (kind === "news" && after !== undefined ? [after as News] : []))
    .sort((a, b) => a.version - b.version);
}

function labelsOf(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const [key = "", ...value] = line.split("=");
      return [key, value.join("=")];
    }),
  );
}
