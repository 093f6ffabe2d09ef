import type {
  AttachmentFact,
  EndpointFact,
  GuestFact,
  NetworkFact,
  NodeFact,
  PeerKeys,
  ServiceFact,
} from "../dataplane/index.ts";
import { Fault } from "../lib/index.ts";
import {
  type Availability,
  type ContainerSpec,
  namedFilesOf,
  placeOfFile,
  type Task,
} from "../model/index.ts";
import type { ClusterFacts } from "../network/index.ts";
import type { AssignmentsMessage } from "../rpc/index.ts";
import type { FileContents } from "../runtime/index.ts";

/** A task as a manager tells it (manager/assignments.ts): all but what the node itself reports. */
export type AssignedTask = Omit<Task, "status" | "version" | "updatedAt" | "notBefore" | "after"> & {
  /** It comes from the disk, where its registry credentials are not kept: a manager has to say them again. */
  readonly lacksCredentials?: true;
};

/** True when the message may change the facts of the network, not only tasks. */
export function concernsNetwork({ complete, upserts, removals }: Omit<AssignmentsMessage, "kind">): boolean {
  const keys = [...upserts.map(({ key }) => key), ...removals];
  return complete || keys.some((key) => !/^(task|secret|config|self)\//.test(key));
}

/** In the place of a set's number: no difference fits. */
const FROM_DISK = -1;

/** A row without the registry credentials that a task's may have. */
function withoutCredentials(json: string): string {
  if (!json.includes('"registryAuth"')) return json;
  const row = JSON.parse(json) as { readonly spec?: { readonly container?: Partial<ContainerSpec> } };
  const { registryAuth, ...container } = row.spec?.container ?? {};
  if (registryAuth === undefined) return json;
  return JSON.stringify({ ...row, spec: { ...row.spec, container }, lacksCredentials: true });
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

  /** What the cluster wants of this node; undefined until a manager has said it. */
  availability(): Availability | undefined {
    return this.#all<{ readonly availability: Availability }>("self")[0]?.availability;
  }

  /** From the disk there are no keys: encrypted tunnels carry nothing until a manager has spoken. */
  facts(): ClusterFacts {
    return {
      networks: this.#all<NetworkFact>("network"),
      nodes: this.#all<NodeFact>("node"),
      services: this.#all<ServiceFact>("service"),
      endpoints: this.#all<EndpointFact>("endpoint"),
      attachments: this.#all<AttachmentFact>("attachment"),
      guests: this.#all<GuestFact>("guest"),
      encryption: this.#all<PeerKeys>("keys"),
    };
  }

  /**
   * What the task's secrets and configs hold, by their place in the container; undefined as long as a manager has to say again
   * what is in no file. Fault "not-found" for one that managers do not know.
   */
  contentsOf(task: AssignedTask): FileContents | undefined {
    const files = namedFilesOf(task.spec.container);
    if (task.lacksCredentials || (this.#sequence === FROM_DISK && files.length > 0)) return undefined;
    return new Map(
      files.map((file) => {
        const { id, name } = file.reference;
        const key = `${file.kind}/${id}`;
        if (!this.#items.has(key)) throw new Fault("not-found", `${file.kind} ${name} not found`);
        const { data } = this.#value(key) as { readonly data: string };
        return [placeOfFile(file), Buffer.from(data, "base64")];
      }),
    );
  }

  /** For the disk: what a restarted agent starts from until a manager speaks. No secret, config, credential or key is in it. */
  save(): string {
    const kept = [...this.#items].filter(([key]) => !/^(secret|config|keys)\//.test(key));
    return JSON.stringify(kept.map(([key, json]) => [key, withoutCredentials(json)]));
  }

  /** A book from what `save` wrote. The next differences will not fit it, so a whole set must come first. */
  static load(text: string): AssignmentBook {
    const book = new AssignmentBook();
    book.#items = new Map(JSON.parse(text) as [string, string][]);
    book.#sequence = FROM_DISK;
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
