import { equal } from "../../../src/lib/index.ts";
import {
  type Guest,
  isTerminal,
  type Network,
  type Node,
  type Service,
  type Task,
} from "../../../src/model/index.ts";
import type { ObjectChange } from "../../../src/store/index.ts";
import { TaskNames } from "./names.ts";
import type { SimCluster, Watcher } from "./sim-cluster.ts";

/** What happens in a world, line by line, in words that one would show a colleague. */
export class Transcript implements Watcher {
  readonly lines: string[] = [];
  readonly #world: SimCluster;
  readonly #names = new TaskNames();

  constructor(world: SimCluster) {
    this.#world = world;
  }

  onSaid(text: string): void {
    this.#line(`* ${text}`);
  }

  onLeader(name: string | undefined): void {
    this.#line(name === undefined ? "nobody leads" : `${name} leads`);
  }

  onChanges(changes: readonly ObjectChange[]): void {
    for (const { kind, before, after } of changes) {
      if (kind === "task") this.#task(before as Task | undefined, after as Task | undefined);
      else if (kind === "node") this.#node(before as Node | undefined, after as Node | undefined);
      else if (kind === "service") this.#service(before as Service | undefined, after as Service | undefined);
      else if (kind === "guest") this.#guest(before as Guest | undefined, after as Guest | undefined);
      else if (kind === "network") this.#network(after as Network | undefined);
    }
  }

  #task(before: Task | undefined, after: Task | undefined): void {
    if (after === undefined) {
      if (before !== undefined) this.#line(`${this.#names.of(before)} is forgotten`);
      return;
    }
    const name = this.#names.of(after);
    if (before === undefined) this.#line(`${name} is made${this.#wait(after)}`);
    else if (before.desiredState !== after.desiredState) this.#line(`${name} ${WISHES[after.desiredState]}`);
    const { state, error } = after.status;
    const isNews = before?.status.state !== state;
    if (isNews && state === "assigned")
      this.#line(`${name} goes to ${after.nodeId}${this.#addresses(after)}`);
    else if (isNews && state === "running") this.#line(`${name} runs on ${after.nodeId}`);
    else if (isNews && isTerminal(after)) this.#line(`${name} ${ENDS[state] ?? state}${because(error)}`);
    else if (error !== undefined && error !== before?.status.error)
      this.#line(`${name} waits${because(error)}`);
  }

  #guest(before: Guest | undefined, after: Guest | undefined): void {
    const guest = after ?? before;
    if (guest === undefined || equal(before?.attachments, after?.attachments)) return;
    const what = after === undefined ? "is let go of" : `is a guest as ${this.#addresses(after).slice(4)}`;
    this.#line(`${guest.spec.name} on ${guest.nodeId} ${what}`);
  }

  #wait({ notBefore, createdAt }: Task): string {
    if (notBefore === undefined || notBefore <= createdAt) return "";
    return `, to run in ${(notBefore - createdAt) / 1_000} s`;
  }

  #addresses({ attachments }: Pick<Task, "attachments">): string {
    return attachments.length === 0 ? "" : ` as ${attachments.map(({ address }) => address).join(", ")}`;
  }

  #node(before: Node | undefined, after: Node | undefined): void {
    if (after === undefined) this.#line(`${before?.id} is forgotten`);
    else if (before !== undefined && before.status.state !== after.status.state)
      this.#line(`${after.id} is ${after.status.state}${because(after.status.message)}`);
  }

  #service(before: Service | undefined, after: Service | undefined): void {
    if (after === undefined) {
      this.#line(`${before?.spec.name} is gone`);
      return;
    }
    const { name } = after.spec;
    const status = after.updateStatus;
    if (status !== undefined && status.state !== before?.updateStatus?.state)
      this.#line(`${name}: ${this.#names.in(status.message)}`);
    if (after.allocationError !== undefined && after.allocationError !== before?.allocationError)
      this.#line(`${name} waits: ${after.allocationError}`);
    if (after.endpoint === undefined || before?.endpoint === after.endpoint) return;
    const [was, is] = [numbersOf(before), numbersOf(after)];
    if (is !== "" && was !== is) this.#line(`${name} is at ${is}`);
  }

  #network(after: Network | undefined): void {
    if (after?.allocationError !== undefined)
      this.#line(`${after.spec.name} waits: ${after.allocationError}`);
  }

  #line(text: string): void {
    this.lines.push(`${(this.#world.age / 1_000).toFixed(1).padStart(8)}  ${text}`);
  }
}

const WISHES: Readonly<Record<Task["desiredState"], string>> = {
  ready: "is to be ready",
  running: "may run",
  complete: "may run",
  shutdown: "is to stop",
  remove: "is to stop and be forgotten",
};
const ENDS: Readonly<Record<string, string>> = {
  complete: "completes",
  shutdown: "has stopped",
  failed: "fails",
  rejected: "is rejected",
  orphaned: "is given up",
};

function numbersOf(service: Service | undefined): string {
  const { vips = [], ports = [] } = service?.endpoint ?? {};
  const named = ports.filter(({ publishMode }) => publishMode === "ingress");
  return [...vips.map(({ address }) => address), ...named.map(({ published }) => `port ${published}`)].join(
    ", ",
  );
}

function because(words: string | undefined): string {
  return words === undefined || words === "" ? "" : `: ${words}`;
}
