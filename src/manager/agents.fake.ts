import { type FakeClock, messageOf, type Random, silentLog } from "../lib/index.ts";
import type { NodeDescription, NodeRole, TaskState, TaskStatus } from "../model/index.ts";
import type {
  AgentMessage,
  AgentStream,
  AssignmentsMessage,
  DispatcherService,
  ManagerMessage,
  PeerAddress,
  PeerIdentity,
} from "../rpc/index.ts";
import { connectFake } from "../rpc/rpc.fake.ts";
import type { Store } from "../store/index.ts";
import { GuestControl } from "./control/index.ts";
import { Dispatcher } from "./dispatcher.ts";
import { Liveness } from "./liveness.ts";
import { LogBroker } from "./log-broker.ts";
import { StatusQueue } from "./statuses.ts";

export const DESCRIPTION: NodeDescription = {
  hostname: "host-1",
  platform: { architecture: "x86_64", os: "linux" },
  resources: { nanoCpus: 2e9, memoryBytes: 4e9, generic: [] },
  engineVersion: "0.1.0",
  engineLabels: {},
  plugins: [],
};

/** One turn of the event loop: all promises that can settle have. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The part of a manager that agents speak to, over a store, without the leader's loops. */
export class AgentSide {
  readonly store: Store;
  readonly clock: FakeClock;
  readonly dispatcher: Dispatcher;
  readonly liveness: Liveness;
  readonly logs: LogBroker;
  readonly #statuses: StatusQueue;
  readonly #stop = new AbortController();
  readonly #runs: Promise<void>[];

  constructor(store: Store, clock: FakeClock, random: Random) {
    this.store = store;
    this.clock = clock;
    const parts = { store, clock, random, log: silentLog };
    this.liveness = new Liveness(parts);
    this.#statuses = new StatusQueue(parts);
    this.logs = new LogBroker({ ...parts, streamOf: (id) => this.dispatcher.streamOf(id) });
    this.dispatcher = new Dispatcher({
      ...parts,
      liveness: this.liveness,
      statuses: this.#statuses,
      logs: this.logs,
      guests: new GuestControl(parts),
    });
    const signal = this.#stop.signal;
    const unsubscribe = store.subscribe((changes) => this.dispatcher.push(changes));
    signal.addEventListener("abort", unsubscribe);
    this.#runs = [store.run(signal), this.liveness.run(signal), this.#statuses.run(signal)];
  }

  /** Lets `ms` pass, in steps that give every part its turn. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 50) {
      await this.clock.advance(Math.min(left, 50));
      await turn();
    }
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error("the test is over"));
    await Promise.all(this.#runs);
  }

  /** A session of a node that has said nothing yet. */
  connect(nodeId: string, role: NodeRole = "worker"): PlayedAgent {
    return new PlayedAgent(this.dispatcher, { nodeId, role, clusterId: "cluster", address: "10.9.0.7" });
  }

  /** A session of a node that has been welcomed. */
  async join(nodeId: string): Promise<PlayedAgent> {
    const agent = this.connect(nodeId);
    agent.hello();
    await turn();
    return agent;
  }
}

/** An agent's end of a session, played by a test: it keeps what it hears and holds the assignments. */
export class PlayedAgent {
  readonly stream: AgentStream;
  readonly heard: ManagerMessage[] = [];
  readonly assigned: Map<string, unknown> = new Map();
  /** Why the session ended; undefined while it has not. */
  ended: string | undefined;
  /** Whether it says at once that its kernel works by what it was told. */
  isPrompt = true;
  #sequence = 0;

  readonly #beat: (sessionId: string) => number;

  constructor(dispatcher: DispatcherService, peer: PeerIdentity & PeerAddress) {
    this.stream = connectFake(dispatcher, peer);
    this.#beat = (sessionId) => dispatcher.beat(peer, sessionId);
    void this.#read();
  }

  send(message: AgentMessage): void {
    this.stream.send(message);
  }

  hello(addresses: { advertiseAddress?: string; dataPathAddress?: string } = {}): void {
    const unsaid = { advertiseAddress: "", dataPathAddress: "" };
    const tunnelEnd = { boot: "b1", lack: "" };
    this.send({ kind: "hello", description: DESCRIPTION, tunnelEnd, ...unsaid, ...addresses });
  }

  report(taskId: string, state: TaskState, rest: Partial<TaskStatus> = {}): void {
    this.send({ kind: "statuses", statuses: [{ taskId, status: { at: 1, state, message: "", ...rest } }] });
  }

  /** Beats for its session; returns when to beat again, in milliseconds. */
  beat(): number {
    return this.#beat(this.of("welcome").at(-1)?.sessionId ?? "");
  }

  /** Number of the set that it was told last; 0 before the first. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Its kernel works by this set; without a number, by the last. */
  applied(sequence: number = this.#sequence): void {
    this.send({ kind: "applied", sequence });
  }

  /** The tasks that it was told are drained. */
  get drained(): string[] {
    return this.of("drained").flatMap(({ taskIds }) => taskIds);
  }

  /** The messages of one kind, in order. */
  of<K extends ManagerMessage["kind"]>(kind: K): Extract<ManagerMessage, { kind: K }>[] {
    return this.heard.filter((m): m is Extract<ManagerMessage, { kind: K }> => m.kind === kind);
  }

  async #read(): Promise<void> {
    try {
      for await (const message of this.stream.messages) {
        this.heard.push(message);
        if (message.kind === "assignments") this.#apply(message);
      }
      this.ended = "";
    } catch (error) {
      this.ended = messageOf(error);
    }
  }

  #apply({ complete, appliesTo, resultsIn, upserts, removals }: AssignmentsMessage): void {
    if (complete) this.assigned.clear();
    else if (appliesTo !== this.#sequence)
      throw new Error(`a difference to ${appliesTo}, have ${this.#sequence}`);
    for (const { key, json } of upserts) this.assigned.set(key, JSON.parse(json));
    for (const key of removals) this.assigned.delete(key);
    this.#sequence = resultsIn;
    if (this.isPrompt) this.applied();
  }
}
