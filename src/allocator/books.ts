import { addCount, equal, LayeredMap } from "../lib/index.ts";
import { type Guest, isTerminal, type Node, type Service, type Task } from "../model/index.ts";
import type { Derived } from "../store/index.ts";

interface Station {
  readonly isUp: boolean;
  /** Network id to its own address there. */
  readonly attachments: Readonly<Record<string, string>>;
}

type Resident = Pick<Task, "nodeId" | "attachments"> | Pick<Guest, "nodeId" | "attachments">;

interface Held {
  readonly networkId: string;
  readonly address: string;
  readonly address6?: string;
}

/** Keys join a network's id and another word; a count of nothing is not there. */
interface Tables {
  /** "network address" to how many hold it: more than one is a mistake that must not free it. */
  readonly holders: LayeredMap<number>;
  /** Network id to how many addresses of it are held, of IPv6 with " 6" behind the id. */
  readonly used: LayeredMap<number>;
  /** "tcp/80" to ids of services that publish it. */
  readonly ports: LayeredMap<readonly string[]>;
  readonly stations: LayeredMap<Station>;
  /** "network node" to living tasks and guests there with an address; the node is "" for those that have none yet. */
  readonly living: LayeredMap<number>;
  /** Node id to the networks that living tasks and guests on it are on. */
  readonly present: LayeredMap<readonly string[]>;
  /** Network id to how many nodes that are up have an address there. */
  readonly attached: LayeredMap<number>;
  /** Network id to living tasks on it, on nodes that have no address there or on none yet. */
  readonly airborne: LayeredMap<number>;
  /** Node id to its airborne tasks, once for each network. */
  readonly stranded: LayeredMap<number>;
  /** "up": nodes that are up. "stranded": airborne tasks that are on a node. */
  readonly sums: LayeredMap<number>;
}

/** Who holds which number, kept object by object. */
export class Books {
  readonly #tables: Tables;

  constructor(below?: Books) {
    this.#tables = below === undefined ? newTables() : forked(below.#tables);
  }

  isHeld(networkId: string, address: string): boolean {
    return this.#tables.holders.get(`${networkId} ${address}`) !== undefined;
  }

  used(networkId: string, family: 4 | 6 = 4): number {
    return this.#tables.used.get(usedKey(networkId, family)) ?? 0;
  }

  /** Services that publish the port. */
  publishers(port: string): readonly string[] {
    return this.#tables.ports.get(port) ?? [];
  }

  /** Nodes that are up and have no address here yet. */
  strangers(networkId: string): number {
    return (this.#tables.sums.get("up") ?? 0) - (this.#tables.attached.get(networkId) ?? 0);
  }

  /** Whether the node has an address of its own here. */
  isOn(networkId: string, nodeId: string): boolean {
    return this.#tables.stations.get(nodeId)?.attachments[networkId] !== undefined;
  }

  /** Living tasks with an address here that may land on, or are on, a node without one. */
  airborne(networkId: string): number {
    return this.#tables.airborne.get(networkId) ?? 0;
  }

  /** Some task is on a node that has no address on the task's network. */
  get hasStranded(): boolean {
    return this.#tables.sums.get("stranded") !== undefined;
  }

  /** Networks that the node's tasks and guests are on. */
  networksOf(nodeId: string): readonly string[] {
    return this.#tables.present.get(nodeId) ?? [];
  }

  isStranding(nodeId: string): boolean {
    return this.#tables.stranded.get(nodeId) !== undefined;
  }

  hold({ networkId, address, address6 }: Held, step: 1 | -1): void {
    this.#hold(networkId, address, 4, step);
    if (address6 !== undefined) this.#hold(networkId, address6, 6, step);
  }

  #hold(networkId: string, address: string, family: 4 | 6, step: 1 | -1): void {
    const holders = addCount(this.#tables.holders, `${networkId} ${address}`, step);
    const isTurn = step === 1 ? holders === 1 : holders === 0;
    if (isTurn) addCount(this.#tables.used, usedKey(networkId, family), step);
  }

  publish(port: string, serviceId: string, step: 1 | -1): void {
    const now = this.publishers(port);
    const next = step === 1 ? [...now, serviceId] : now.toSpliced(now.indexOf(serviceId), 1);
    this.#tables.ports.set(port, next.length === 0 ? undefined : next);
  }

  /** A task that lives, or a guest. */
  enter({ nodeId = "", attachments }: Resident, step: 1 | -1): void {
    for (const held of attachments) {
      this.hold(held, step);
      this.#live(held.networkId, nodeId, step);
      if (this.#tables.stations.get(nodeId)?.attachments[held.networkId] === undefined) {
        this.#lift(held.networkId, nodeId, step);
      }
    }
  }

  enterService({ id, endpoint }: Service, step: 1 | -1): void {
    for (const vip of endpoint?.vips ?? []) this.hold(vip, step);
    for (const port of endpoint?.ports ?? []) {
      if (port.publishMode === "ingress" && port.published !== 0) this.publish(portKey(port), id, step);
    }
  }

  moveNode(before: Node | undefined, after: Node | undefined): void {
    const id = (after ?? before)?.id ?? "";
    const [old, now] = [stationOf(before), stationOf(after)];
    this.#tables.stations.set(id, after === undefined ? undefined : now);
    addCount(this.#tables.sums, "up", Number(now.isUp) - Number(old.isUp));
    for (const networkId of Object.keys(now.attachments)) this.#attach(id, networkId, old, now);
    for (const networkId of Object.keys(old.attachments)) {
      if (now.attachments[networkId] === undefined) this.#attach(id, networkId, old, now);
    }
  }

  #attach(nodeId: string, networkId: string, old: Station, now: Station): void {
    const [had, has] = [old.attachments[networkId], now.attachments[networkId]];
    if (had === has && old.isUp === now.isUp) return;
    const counted = Number(now.isUp && has !== undefined) - Number(old.isUp && had !== undefined);
    addCount(this.#tables.attached, networkId, counted);
    if (had !== undefined) this.hold({ networkId, address: had }, -1);
    if (has !== undefined) this.hold({ networkId, address: has }, 1);
    // With an address its tasks come down; without, they are in the air again.
    const came = Number(has !== undefined) - Number(had !== undefined);
    this.#lift(networkId, nodeId, -came * (this.#tables.living.get(`${networkId} ${nodeId}`) ?? 0));
  }

  #live(networkId: string, nodeId: string, step: 1 | -1): void {
    const tasks = addCount(this.#tables.living, `${networkId} ${nodeId}`, step);
    const now = this.networksOf(nodeId);
    if (tasks === 1 && step === 1) this.#tables.present.set(nodeId, [...now, networkId]);
    if (tasks !== 0) return;
    const next = now.filter((id) => id !== networkId);
    this.#tables.present.set(nodeId, next.length === 0 ? undefined : next);
  }

  #lift(networkId: string, nodeId: string, tasks: number): void {
    if (tasks === 0) return;
    addCount(this.#tables.airborne, networkId, tasks);
    if (nodeId === "") return;
    addCount(this.#tables.stranded, nodeId, tasks);
    addCount(this.#tables.sums, "stranded", tasks);
  }
}

export const BOOKS: Derived<Books> = {
  empty: () => new Books(),
  fork: (books) => new Books(books),
  apply(books, { kind, before, after }) {
    if (kind === "task") {
      move(books, living(before as Task | undefined), living(after as Task | undefined));
    } else if (kind === "guest") {
      move(books, before as Guest | undefined, after as Guest | undefined);
    } else if (kind === "service") {
      if (before !== undefined) books.enterService(before as Service, -1);
      if (after !== undefined) books.enterService(after as Service, 1);
    } else if (kind === "node") {
      books.moveNode(before as Node | undefined, after as Node | undefined);
    }
  },
};

const usedKey = (networkId: string, family: 4 | 6): string => (family === 4 ? networkId : `${networkId} 6`);

export function portKey(port: { readonly protocol: string; readonly published: number }): string {
  return `${port.protocol}/${port.published}`;
}

function stationOf(node: Node | undefined): Station {
  return { isUp: node !== undefined && node.status.state !== "down", attachments: node?.attachments ?? {} };
}

function newTables(): Tables {
  return {
    holders: new LayeredMap(),
    used: new LayeredMap(),
    ports: new LayeredMap(),
    stations: new LayeredMap(),
    living: new LayeredMap(),
    present: new LayeredMap(),
    attached: new LayeredMap(),
    airborne: new LayeredMap(),
    stranded: new LayeredMap(),
    sums: new LayeredMap(),
  };
}

function forked(tables: Tables): Tables {
  return {
    holders: tables.holders.fork(),
    used: tables.used.fork(),
    ports: tables.ports.fork(),
    stations: tables.stations.fork(),
    living: tables.living.fork(),
    present: tables.present.fork(),
    attached: tables.attached.fork(),
    airborne: tables.airborne.fork(),
    stranded: tables.stranded.fork(),
    sums: tables.sums.fork(),
  };
}

/** A task that ended holds nothing. */
function living(task: Task | undefined): Task | undefined {
  return task === undefined || isTerminal(task) ? undefined : task;
}

function move(books: Books, old: Resident | undefined, now: Resident | undefined): void {
  if (old !== undefined && now !== undefined && holdsAlike(old, now)) return;
  if (old !== undefined) books.enter(old, -1);
  if (now !== undefined) books.enter(now, 1);
}

function holdsAlike(a: Resident, b: Resident): boolean {
  return a.nodeId === b.nodeId && equal(a.attachments, b.attachments);
}
