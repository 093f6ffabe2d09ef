import { AssignmentBook } from "../../src/agent/assignment-book.ts";
import { Incarnation } from "../../src/agent/incarnation.ts";
import type { NetworkFacts } from "../../src/dataplane/index.ts";
import { AssignmentFeed } from "../../src/manager/assignment-feed.ts";
import { planRing, tunnelNeed } from "../../src/manager/tunnel-ring.ts";
import {
  type Change,
  type Kind,
  type Kinds,
  type Node,
  put,
  remove,
  type Task,
} from "../../src/model/index.ts";
import { aCluster, aNetwork, aNode, aRunning, aService, T0 } from "../../src/model/objects.fake.ts";
import { LiveView } from "../../src/store/index.ts";
import { systemRandom } from "../../src/sys/index.ts";

const PERIOD_MS = 12 * 3_600_000;
const FRONT = "net-front";

interface Told {
  readonly feed: AssignmentFeed;
  readonly book: AssignmentBook;
  readonly incarnation: Incarnation;
  sequence: number;
}

/**
 * The managers' side of one encrypted network, 10.0.1.0/24: what they store, decide and tell each node, by their own code, with
 * a task on every node that is on it. Node i has 192.168.7.i, its task 10.0.1.1i; nodes are told when the test says so.
 */
export class KeyMaster {
  readonly #view = new LiveView();
  readonly #nodes = new Map<number, Told>();
  readonly #service = aService("web");
  #version = 10;
  #now = T0;

  constructor(nodes: number) {
    const state = { subnet: "10.0.1.0/24", gateway: "10.0.1.1", vni: 4097 };
    this.#write(
      put("cluster", aCluster()),
      put("network", aNetwork("front", { driverOptions: { encrypted: "" } }, { state })),
      put("service", this.#service),
    );
    for (let i = 1; i <= nodes; i++) {
      const told = { feed: new AssignmentFeed(`n${i}`), book: new AssignmentBook() };
      this.#nodes.set(i, { ...told, incarnation: new Incarnation(systemRandom), sequence: 0 });
      this.come(i);
    }
  }

  taskOf(node: number): string {
    return `task-of-node-${node}`;
  }

  /** The node gets a task on the network. */
  come(node: number): void {
    const attachments = [{ networkId: FRONT, address: `10.0.1.1${node}` }];
    const task = aRunning(this.#service, node, `n${node}`, { id: this.taskOf(node), attachments });
    this.#write(put("node", this.#nodeOf(node, `10.0.1.20${node}`)), put("task", task as Task));
    this.#look();
  }

  /** Its task ends. */
  go(node: number): void {
    this.#write(
      put("node", this.#nodeOf(node)),
      remove("task", this.#view.get("task", this.taskOf(node)) as Task),
    );
    this.#look();
  }

  /** The epoch is over. */
  turn(): void {
    this.#now += PERIOD_MS;
    this.#look();
  }

  /** The node's agent says who it is by another name. */
  renew(node: number): void {
    this.#nodes.get(node)?.incarnation.renew();
    this.#write(put("node", this.#nodeOf(node, `10.0.1.20${node}`)));
  }

  /** Tells the node all that is new; what it builds its network from then. */
  tell(node: number): NetworkFacts {
    const told = this.#nodes.get(node) as Told;
    const { upserts, removals } = told.feed.catchUp(this.#view);
    const message = { complete: told.sequence === 0, appliesTo: told.sequence, upserts, removals };
    told.book.apply({ ...message, resultsIn: ++told.sequence });
    const facts = told.book.facts();
    return {
      ...facts,
      encryption: told.incarnation.admit(facts.encryption ?? []).peers,
      self: {
        ...{ nodeId: `n${node}`, dataPathAddress: `192.168.7.${node}` },
        ...{ gatewaySubnet: "172.18.0.0/16", dataPathPort: 4789 },
      },
      tasks: told.book.tasks().map(({ id, serviceId, attachments }) => ({
        ...{ taskId: id, serviceId, gatewayAddress: `172.18.0.1${node}`, hostPorts: [] },
        addresses: Object.fromEntries(attachments.map(({ networkId, address }) => [networkId, address])),
      })),
    };
  }

  #nodeOf(node: number, address?: string): Node {
    const boot = this.#nodes.get(node)?.incarnation.name ?? "";
    return aNode(`n${node}`, {
      dataPathAddress: `192.168.7.${node}`,
      attachments: address === undefined ? {} : { [FRONT]: address },
      tunnelEnd: { boot, lack: "" },
    });
  }

  /** What the leader's loop does about keys. */
  #look(): void {
    const { tunnels: ring, ...rest } = this.#view.cluster() ?? aCluster();
    const newSecret = () => Buffer.from(systemRandom.bytes(32)).toString("base64");
    const tunnels = planRing(ring, tunnelNeed(this.#view), this.#now, newSecret);
    this.#write(put("cluster", { ...rest, ...(tunnels && { tunnels }) }));
  }

  #write(...changes: Change[]): void {
    for (const change of changes) {
      if (change.op === "delete") this.#view.delete(change.kind, change.id);
      else this.#view.put<Kind>(change.kind, { ...change.object, version: ++this.#version } as Kinds[Kind]);
    }
  }
}
