import type { NetworkFacts } from "../dataplane/index.ts";
import type { Kernel } from "../kernel/index.ts";
import { type Clock, type Log, messageOf, type Random } from "../lib/index.ts";
import type { NodeDescription, TaskStatus } from "../model/index.ts";
import type {
  ClusterNetwork,
  GatewayAddresses,
  GuestDesk,
  GuestLine,
  HostPorts,
  NetworkApplier,
} from "../network/index.ts";
import type { AgentStream, Heart, ManagerMessage } from "../rpc/index.ts";
import type { Containers, Images } from "../runtime/index.ts";
import { AssignmentBook, concernsNetwork } from "./assignment-book.ts";
import type { SavedAssignments } from "./assignments-file.ts";
import { LogSource } from "./log-source.ts";
import { MeshPorts } from "./mesh-ports.ts";
import { NodeTunnels } from "./node-tunnels.ts";
import { type PortName, type Readiness, readinessOf } from "./readiness.ts";
import { TaskSandboxes } from "./sandbox.ts";
import { ManagerSession, type MessageSource } from "./session.ts";
import { VisitDesk, type VisitDoor } from "./visit-desk.ts";
import { Worker } from "./worker.ts";

export interface AgentParts {
  readonly containers: Containers;
  readonly images: Images;
  readonly kernel: Kernel;
  readonly settings: AgentSettings;
  /** The node's network, which outlives the agent. */
  readonly network: {
    readonly applier: Pick<NetworkApplier, "enter">;
    readonly gateway: GatewayAddresses;
    readonly hostPorts: HostPorts;
    readonly guests: GuestDesk;
  };
  readonly advertiseAddress: string;
  readonly managers: readonly string[];
  readonly netnsDir: string;
  /** Where the last assignments are kept for a restart. */
  readonly assignments: SavedAssignments;
  readonly dns: {
    /** Domains in which tasks' names are looked for. */
    readonly search: readonly string[];
    /** Whom the node asks: what tasks on its own network are told. */
    readonly upstreams: readonly string[];
  };
  connect(address: string, signal: AbortSignal): Promise<AgentStream>;
  readonly visits: VisitDoor;
  readonly heart: Heart;
  describe(): NodeDescription;
  /** A manager has answered: the node is in. */
  onWelcome(welcome: Welcome): void;
  /** A manager says that this node was removed. */
  onLeave(reason: string): void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface AgentSettings {
  readonly nodeId: string;
  readonly dataPathAddress: string;
  readonly dataPathPort: number;
  readonly ipv6?: boolean;
}

/** What a manager says of the cluster when it takes a session. */
export interface Welcome {
  readonly managers: readonly string[];
  readonly dataPathPort: number;
}

/** One node's agent: holds a session with a manager, runs what is assigned, keeps the node's network true. */
export class Agent {
  readonly #parts: AgentParts;
  readonly #network: ClusterNetwork;
  readonly #worker: Worker;
  readonly #session: ManagerSession;
  readonly #logs: LogSource;
  readonly #visits: VisitDesk;
  readonly #meshPorts: MeshPorts;
  readonly #tunnels: NodeTunnels;
  readonly #guestLine: GuestLine;
  #book = new AssignmentBook();

  constructor(parts: AgentParts) {
    this.#parts = parts;
    this.#tunnels = new NodeTunnels({
      ...parts,
      address: parts.settings.dataPathAddress,
      introduce: () => this.#session.introduce(),
    });
    const { applier, gateway, hostPorts } = parts.network;
    this.#network = applier.enter({
      ...parts.settings,
      onRepaired: (what) => this.#tunnels.repaired(what),
    });
    this.#meshPorts = new MeshPorts({ ...parts, hostPorts });
    const sandboxes = new TaskSandboxes({
      ...{ network: this.#network, kernel: parts.kernel, gateway, hostPorts },
      nodeId: parts.settings.nodeId,
      netnsDir: parts.netnsDir,
      describe: () => parts.describe(),
      search: parts.dns.search,
      upstreams: parts.dns.upstreams,
      address: parts.settings.dataPathAddress,
      ipv6: parts.settings.ipv6 ?? false,
      objectionTo: (networkIds) => this.#tunnels.objectionTo(networkIds),
    });
    const report = (taskId: string, status: TaskStatus) => {
      this.#session.send({ kind: "statuses", statuses: [{ taskId, status }] });
    };
    this.#worker = new Worker({
      ...{ ...parts, sandboxes, report },
      contentsOf: (task) => this.#book.contentsOf(task, parts.describe()),
    });
    this.#logs = new LogSource({
      ...parts,
      containerOf: (taskId) => this.#worker.containerOf(taskId),
      send: (message) => this.#session.send(message),
    });
    this.#visits = new VisitDesk({ ...parts, containerOf: (taskId) => this.#worker.containerOf(taskId) });
    this.#guestLine = {
      nodeId: parts.settings.nodeId,
      say: (words) => this.#session.send({ kind: "guests", ...words }),
      objectionTo: (networkIds) => sandboxes.objectionTo(networkIds),
    };
    parts.network.guests.open(this.#guestLine);
    const statuses = () => this.#worker.statuses();
    const handle = (message: ManagerMessage, from: MessageSource) => this.#handle(message, from);
    this.#session = new ManagerSession(
      {
        ...{ ...parts, dataPathAddress: parts.settings.dataPathAddress, statuses, handle },
        tunnelEnd: () => this.#tunnels.end,
        guests: () => ({ kind: "guests", ...parts.network.guests.introduction() }),
      },
      parts.managers,
    );
  }

  /** Runs until the signal aborts; containers and kernel state stay as they are then. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#tunnels.probe();
      await this.#adopt();
      await this.#session.run(signal);
    } finally {
      this.#parts.network.guests.close(this.#guestLine);
      this.#logs.cancelAll();
      await this.#visits.close();
      this.#worker.abandon();
      this.#network.close();
    }
  }

  /**
   * The node leaves for good: it says that none of its containers is on an overlay any more, and that nobody is to wait for it, if there
   * is somebody to say it to.
   */
  farewell(): void {
    this.#guestLine.say({ complete: true, wishes: [] });
    this.#session.send({ kind: "farewell" });
  }

  /** What the node's network is built from now. */
  facts(): NetworkFacts {
    return this.#network.facts();
  }

  /** Whether this node may be sent connections from outside: at all, or at one published port. */
  readiness(port?: PortName): Readiness {
    const standing = {
      availability: this.#book.availability(),
      trouble: this.#tunnels.trouble() ?? this.#network.trouble(),
    };
    return readinessOf({ ...standing, facts: this.facts() }, port);
  }

  /** Goes on where an earlier daemon stopped: containers from the runtime, assignments from disk, then the kernel. */
  async #adopt(): Promise<void> {
    await this.#worker.find();
    const saved = this.#load();
    if (saved === undefined) return;
    this.#book = saved;
    this.#follow();
    // What cannot be applied has been logged, and is tried again.
    await this.#network.settle().catch(() => undefined);
  }

  /** What was assigned when the last daemon ended; nothing on a new node; undefined when it cannot be read. */
  #load(): AssignmentBook | undefined {
    const { assignments, log } = this.#parts;
    try {
      const text = assignments.load();
      return text === undefined ? new AssignmentBook() : AssignmentBook.load(text);
    } catch (error) {
      log.warn("saved assignments are unreadable, waiting for a manager", { error: messageOf(error) });
      return undefined;
    }
  }

  /** Network and tasks go where the book says, in one turn: the network must never be without a task that has it. */
  #follow(isOfNetwork = true): void {
    if (isOfNetwork) {
      const facts = this.#tunnels.admit(this.#book.facts());
      this.#network.setFacts(facts);
      this.#parts.network.guests.follow(facts);
      void this.#meshPorts.look(facts.services);
    }
    this.#worker.assign(this.#book.tasks());
  }

  #handle(message: ManagerMessage, from: MessageSource): void {
    switch (message.kind) {
      case "welcome":
        // What an earlier session asked for, it will ask for again.
        this.#logs.cancelAll();
        this.#network.setDataPathPort(message.cluster.dataPathPort);
        this.#parts.onWelcome({ managers: message.managers, dataPathPort: message.cluster.dataPathPort });
        break;
      case "assignments":
        this.#assign(message);
        this.#network.whenInForce(() => from.answer({ kind: "applied", sequence: message.resultsIn }));
        break;
      case "log-request":
        void this.#logs.serve(message);
        break;
      case "log-taken":
        this.#logs.taken(message.subscriptionId, message.batches);
        break;
      case "log-cancel":
        this.#logs.cancel(message.subscriptionId);
        break;
      case "visit-request":
        this.#visits.open(from.address, message.visitId);
        break;
      case "leave":
        this.#parts.onLeave(message.reason);
        break;
      case "guest-answer":
        this.#parts.network.guests.heard(message);
        break;
      case "drained":
        this.#worker.drained(message.taskIds);
        break;
    }
  }

  #assign(message: Extract<ManagerMessage, { kind: "assignments" }>): void {
    this.#book.apply(message);
    this.#follow(concernsNetwork(message));
    if (message.complete) {
      this.#worker.sweep().catch((error: unknown) => {
        this.#parts.log.warn("old containers not removed", { error: messageOf(error) });
      });
    }
    this.#parts.assignments.save(this.#book.save());
  }
}
