import { leaveNode, type PortName, type Readiness } from "../agent/index.ts";
import type { InitRequest, JoinRequest, SwarmBackend, SwarmState } from "../api/index.ts";
import type { NetworkFacts } from "../dataplane/index.ts";
import { IdentityFolder } from "../identity/index.ts";
import { aborted, Fault, messageOf, sleep, withDeadline } from "../lib/index.ts";
import type { Manager } from "../manager/index.ts";
import { removeClusterStore } from "./cluster-store.ts";
import { foundCluster } from "./found-cluster.ts";
import { joinCluster } from "./join-cluster.ts";
import { Member, type MemberStart } from "./member.ts";
import type { NodeParts } from "./node-parts.ts";
import { type NodeState, NodeStateFile } from "./node-state.ts";

/** swarmkit's patience with a join, and ours with a founding (moby daemon/cluster: swarmConnectTimeout). */
const JOIN_MS = 20_000;
const RETRY_MS = 2_000;

const NOT_IN_SWARM =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
const ON_WORKER =
  "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.";
const NOT_READY =
  "This node is not a swarm manager. Manager is being prepared or has trouble connecting to the cluster.";
const IN_SWARM =
  'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.';
const NOT_YET_IN =
  'Timeout was reached before node joined. The attempt to join the swarm will continue in the background. Use the "docker info" command to see the current swarm status of your node.';
const LEAVE_MANAGER =
  "You are attempting to leave the swarm on a node that is participating as a manager. Removing the last manager erases all current state of the swarm. Use `--force` to ignore this message.";

/** This node in or out of a swarm: founding, joining, leaving one, and coming back to it after a restart. */
export class Membership implements SwarmBackend {
  readonly #parts: NodeParts;
  readonly #file: NodeStateFile;
  readonly #identities: IdentityFolder;
  #member: Member | undefined;
  #error = "";
  #busy: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.#file = new NodeStateFile(parts.config["data-root"]);
    this.#identities = new IdentityFolder(this.#file.folder);
  }

  /** The manager of this node. Fault "unavailable" in Docker's words when it is none. */
  manager(): Manager {
    const manager = this.#member?.manager;
    if (manager !== undefined) return manager;
    const saved = this.#file.load();
    if (saved === undefined) throw new Fault("unavailable", NOT_IN_SWARM);
    throw new Fault("unavailable", saved.role === "worker" ? ON_WORKER : NOT_READY);
  }

  /** The manager of this node; undefined while it is none. */
  get managing(): Manager | undefined {
    return this.#member?.manager;
  }

  /** The node that leads; undefined while there is none. */
  leaderId(): string | undefined {
    return this.#member?.leaderId();
  }

  /** What this node's network is built from; undefined while it is in no swarm. */
  facts(): NetworkFacts | undefined {
    return this.#member?.facts();
  }

  /** Whether this node may be sent connections from outside: not from the moment on at which it is told to stop. */
  readiness(port?: PortName): Readiness {
    if (this.#stopped) return { ready: false, because: "shoald stops" };
    return this.#member?.readiness(port) ?? { ready: false, because: "the node is in no swarm" };
  }

  state(): SwarmState {
    const saved = this.#member?.state ?? this.#file.load();
    const nodes = this.#member?.manager?.nodes.list() ?? [];
    const managers = saved?.managers.map((address) => {
      return { address, nodeId: nodes.find((node) => node.managerAddress === address)?.id ?? "" };
    });
    return {
      nodeId: saved?.nodeId ?? "",
      nodeAddress: saved?.advertiseAddress ?? "",
      state: this.#localState(saved),
      isManager: this.#member?.manager !== undefined,
      error: this.#error,
      managers: managers ?? [],
    };
  }

  /** Goes back to the swarm this node is in, and stays there until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    void this.#resume();
    await aborted(signal);
    this.#stopped = true;
    await this.#alone(() => this.#member?.stop() ?? Promise.resolve());
  }

  init(request: InitRequest): Promise<string> {
    return this.#alone(async () => {
      this.#refuseMember();
      const start = await this.#orNothing(() => foundCluster(this.#parts, this.#file.folder, request));
      await this.#enter(start);
      return start.state.nodeId;
    });
  }

  join(request: JoinRequest): Promise<void> {
    return this.#alone(async () => {
      this.#refuseMember();
      const { clock } = this.#parts;
      const late = "Timeout was reached before node joined.";
      const where = request.remoteAddresses.join(", ");
      const start = await withDeadline(clock, JOIN_MS, `${late} No manager answered at ${where}.`, (signal) =>
        joinCluster(this.#parts, request, signal),
      );
      await this.#enter({ ...start, folder: this.#file.folder });
    });
  }

  leave(force: boolean): Promise<void> {
    return this.#alone(async () => {
      const saved = this.#file.load();
      if (saved === undefined) throw new Fault("unavailable", "This node is not part of a swarm");
      if (saved.role === "manager" && !force) throw new Fault("unavailable", LEAVE_MANAGER);
      await this.#forget();
    });
  }

  #localState(saved: NodeState | undefined): SwarmState["state"] {
    if (saved === undefined) return "inactive";
    if (this.#error !== "") return "error";
    return this.#member?.welcomed.aborted ? "active" : "pending";
  }

  #refuseMember(): void {
    if (this.#file.load() !== undefined) throw new Fault("unavailable", IN_SWARM);
  }

  /** One at a time: founding, joining, leaving, resuming. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#busy.then(work, work);
    this.#busy = turn.catch(() => undefined);
    return turn;
  }

  /** A founding that fails leaves nothing behind. */
  async #orNothing<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.#wipe();
      throw error;
    }
  }

  /** Becomes a member for good: state on disk, loops running, welcomed by a manager. */
  async #enter(start: Omit<MemberStart, "listener">): Promise<void> {
    this.#file.save(start.state);
    this.#identities.save(start.identity);
    const member = await this.#orNothing(() => this.#launch(start));
    try {
      await withDeadline(this.#parts.clock, JOIN_MS, NOT_YET_IN, () =>
        Promise.race([aborted(member.welcomed), member.ended]),
      );
    } catch (error) {
      // The member goes on trying, as Swarm's does; one that broke leaves nothing behind.
      if (Fault.is(error, "timeout")) throw new Fault("unavailable", NOT_YET_IN);
      await this.#wipe();
      throw error;
    }
  }

  async #launch(start: Omit<MemberStart, "listener">): Promise<Member> {
    const member = await Member.start(this.#parts, {
      ...start,
      listener: {
        onState: (state) => this.#keep(state),
        onIdentity: (identity) => this.#identities.save(identity),
        onRemoved: (reason) => this.#onRemoved(member, reason),
      },
    });
    this.#member = member;
    this.#error = "";
    member.ended.catch((error: unknown) => this.#onBroken(member, error));
    return member;
  }

  /** What a manager told is kept for the next start if it can be: a full disk ends no session. */
  #keep(state: NodeState): void {
    try {
      this.#file.save(state);
    } catch (error) {
      this.#parts.log.error("the node's state is not saved", { error: messageOf(error) });
    }
  }

  #onBroken(member: Member, error: unknown): void {
    if (this.#member !== member || this.#stopped) return;
    this.#member = undefined;
    this.#error = messageOf(error);
    this.#parts.log.error("swarm member broke, starting it again", { error: this.#error });
    // What breaks it at once is not to break it without pause.
    void sleep(this.#parts.clock, RETRY_MS).then(() => this.#resume());
  }

  #onRemoved(member: Member, reason: string): void {
    if (this.#member !== member) return;
    this.#parts.log.warn("leaving the swarm", { reason });
    this.#alone(() => (this.#member === member ? this.#forget() : Promise.resolve())).catch(
      (error: unknown) => {
        this.#parts.log.error("cannot leave the swarm", { error: messageOf(error) });
      },
    );
  }

  /**
   * Starts the member that the disk remembers; again and again while it cannot. Each try is a turn of its own: who cannot
   * go back must still be able to leave.
   */
  async #resume(): Promise<void> {
    while (!(await this.#alone(() => this.#tryResume()))) await sleep(this.#parts.clock, RETRY_MS);
  }

  /** False when it should be tried again. */
  async #tryResume(): Promise<boolean> {
    const { clock, log } = this.#parts;
    if (this.#stopped || this.#member !== undefined) return true;
    try {
      const state = this.#file.load();
      if (state === undefined) return true;
      const identity = this.#identities.load(clock.now());
      if (identity === undefined)
        throw new Fault("internal", "this node's certificate is missing: leave and join again");
      await this.#launch({ folder: this.#file.folder, state, identity });
      return true;
    } catch (error) {
      this.#error = messageOf(error);
      log.error("cannot go back to the swarm, trying again", { error: this.#error });
      return false;
    }
  }

  async #forget(): Promise<void> {
    this.#member?.farewell();
    await this.#member?.stop();
    this.#member = undefined;
    this.#parts.network.guests.disband();
    await leaveNode(this.#parts);
    await this.#wipe();
  }

  async #wipe(): Promise<void> {
    await this.#member?.stop();
    this.#member = undefined;
    this.#error = "";
    const { clock, log, config, network } = this.#parts;
    const { folder } = this.#file;
    // What cannot be applied has been logged, and is tried again.
    await network.applier.leave().catch(() => undefined);
    await removeClusterStore({ folder, runDir: config["exec-root"], clock, log });
    this.#file.wipe();
  }
}
