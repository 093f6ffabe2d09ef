import type {
  AttachmentFact,
  EndpointFact,
  NetworkFact,
  NetworkFacts,
  NodeFact,
  ServiceFact,
} from "../dataplane/index.ts";
import { Fault } from "../lib/index.ts";
import type { Task } from "../model/index.ts";
import type { AssignmentsMessage } from "../rpc/index.ts";

/** A task as a manager tells it (manager/assignments.ts): all but what the node itself reports. */
export type AssignedTask = Omit<Task, "status" | "version" | "updatedAt" | "notBefore" | "after">;

/** What a manager sends of the network; the node adds itself and its own sandboxes. */
export type ClusterFacts = Omit<NetworkFacts, "self" | "tasks">;

/** True when the message may change the facts of the network, not only tasks. */
export function concernsNetwork({ complete, upserts, removals }: Omit<AssignmentsMessage, "kind">): boolean {
  const keys = [...upserts.map(({ key }) => key), ...removals];
  return complete || keys.some((key) => !key.startsWith("task/"));
}

/** Everything this node has been told, by key. Differences apply only to the set they were made for. */
export class AssignmentBook {
  #items = new Map<string, string>();
  /** The items' values, as far as they were asked for. */
  #values = new Map<string, unknown>();
  #sequence = 0;

  /** Takes a message in. Fault "conflict" when it does not fit: ask for the whole set again. */
  apply(message: Omit<AssignmentsMessage, "kind">): void {
    if (message.complete) [this.#items, this.#values] = [new Map(), new Map()];
    else if (message.appliesTo !== this.#sequence) {
      throw new Fault(
        "conflict",
        `cannot apply assignments: made for set ${message.appliesTo}, have ${this.#sequence}`,
      );
    }
    for (const { key, json } of message.upserts) this.#set(key, json);
    for (const key of message.removals) this.#set(key, undefined);
    this.#sequence = message.resultsIn;
  }

  tasks(): AssignedTask[] {
    return this.#all<AssignedTask>("task");
  }

  facts(): ClusterFacts {
    return {
      networks: this.#all<NetworkFact>("network"),
      nodes: this.#all<NodeFact>("node"),
      services: this.#all<ServiceFact>("service"),
      endpoints: this.#all<EndpointFact>("endpoint"),
      attachments: this.#all<AttachmentFact>("attachment"),
    };
  }

  /** For the disk: what a restarted agent starts from until a manager speaks. */
  save(): string {
    return JSON.stringify([...this.#items]);
  }

  /** A book from what `save` wrote. The next differences will not fit it, so a whole set must come first. */
  static load(text: string): AssignmentBook {
    const book = new AssignmentBook();
    book.#items = new Map(JSON.parse(text) as [string, string][]);
    book.#sequence = -1;
    return book;
  }

  #all<T>(kind: string): T[] {
    const prefix = `${kind}/`;
    return [...this.#items.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => this.#value(key) as T);
  }

  #set(key: string, json: string | undefined): void {
    this.#values.delete(key);
    if (json === undefined) this.#items.delete(key);
    else this.#items.set(key, json);
  }

  /** Read once: most of a set stays as it is from one message to the next. */
  #value(key: string): unknown {
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const value: unknown = JSON.parse(this.#items.get(key) ?? "null");
    this.#values.set(key, value);
    return value;
  }
}
