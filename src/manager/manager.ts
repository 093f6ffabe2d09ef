import { runGroup } from "../lib/index.ts";
import type { Store } from "../store/index.ts";
import { Certificates } from "./certificates.ts";
import {
  ClusterControl,
  type ControlParts,
  GuestControl,
  NetworkControl,
  NodeControl,
  SecretControl,
  ServiceControl,
  TaskControl,
} from "./control/index.ts";
import { Dispatcher } from "./dispatcher.ts";
import { type LeaderParts, runLeader } from "./leader.ts";
import { Liveness } from "./liveness.ts";
import { LogBroker } from "./log-broker.ts";
import { runNewsKeeping } from "./news-keeping.ts";
import { StatusQueue } from "./statuses.ts";
import { runTunnelRotation } from "./tunnel-rotation.ts";
import { Visits } from "./visits.ts";

export type ManagerParts = LeaderParts & ControlParts;

/** One manager: the control that users reach, the services that agents reach, and the leader's loops. */
export class Manager {
  readonly cluster: ClusterControl;
  readonly services: ServiceControl;
  readonly networks: NetworkControl;
  readonly nodes: NodeControl;
  readonly tasks: TaskControl;
  readonly guests: GuestControl;
  readonly secrets: SecretControl;
  readonly configs: SecretControl;
  readonly certificates: Certificates;
  readonly dispatcher: Dispatcher;
  readonly logs: LogBroker;
  readonly visits: Visits;
  readonly store: Store;
  readonly #parts: ManagerParts;
  readonly #liveness: Liveness;
  readonly #statuses: StatusQueue;

  constructor(parts: ManagerParts) {
    this.#parts = parts;
    this.store = parts.store;
    const control: ControlParts = parts;
    this.cluster = new ClusterControl(control);
    this.services = new ServiceControl(control);
    this.networks = new NetworkControl(control);
    this.nodes = new NodeControl(control);
    this.tasks = new TaskControl(control);
    this.guests = new GuestControl(control);
    this.secrets = new SecretControl(control, "secret");
    this.configs = new SecretControl(control, "config");
    this.certificates = new Certificates(parts);
    this.#liveness = new Liveness(parts);
    this.#statuses = new StatusQueue(parts);
    const streamOf = (nodeId: string) => this.dispatcher.streamOf(nodeId);
    this.logs = new LogBroker({ ...parts, streamOf });
    this.visits = new Visits({ ...parts, streamOf });
    this.dispatcher = new Dispatcher({
      ...parts,
      liveness: this.#liveness,
      statuses: this.#statuses,
      logs: this.logs,
      guests: this.guests,
    });
  }

  /** Leads until the signal aborts. Everything it knows it rebuilds from the store. */
  async run(signal: AbortSignal): Promise<void> {
    const parts = this.#parts;
    const unsubscribe = parts.store.subscribe((changes) => this.dispatcher.push(changes));
    this.dispatcher.catchUp();
    try {
      await runGroup(
        [
          (s) => runLeader(parts, s),
          (s) => runTunnelRotation(parts, s),
          (s) => runNewsKeeping(parts, s),
          (s) => this.#liveness.run(s),
          (s) => this.#statuses.run(s),
        ],
        signal,
      );
    } finally {
      unsubscribe();
      this.dispatcher.close("the manager stops");
    }
  }
}
