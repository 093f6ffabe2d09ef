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
  type NamedFile,
  type NodeDescription,
  namedFilesOf,
} from "../model/index.ts";
import type { ClusterFacts } from "../network/index.ts";
import type { AssignmentsMessage } from "../rpc/index.ts";
import type { FileContents } from "../runtime/index.ts";
import type { AssignedTask } from "./assigned-task.ts";
import { fileContentsOf, type Payload } from "./payloads.ts";

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

interface Item {
  readonly json: string;
  /** Read once, when it is asked for: most of a set stays as it is from one message to the next. */
  value?: unknown;
}

/** Everything this node has been told, by key. Differences apply only to the set they were made for. */
export class AssignmentBook {
  /** By kind, and there by key: "task" and "task/…". */
  #items = new Map<string, Map<string, Item>>();
  /** The values of a kind, the same list until one of them changes. */
  readonly #lists = new Map<string, readonly unknown[]>();
  #sequence = 0;

  /** Takes a message in. Fault "conflict" when it does not fit: ask for the whole set again. */
  apply(message: Omit<AssignmentsMessage, "kind">): void {
    if (message.complete) this.#clear();
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

  tasks(): readonly AssignedTask[] {
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
   * What the task finds in its secrets and configs on this node, by their place in the container; undefined as long as a manager
   * has to say again what is in no file. Faults: "not-found" for one that managers do not know, "invalid" for a template.
   */
  contentsOf(
    task: AssignedTask,
    node: Pick<NodeDescription, "hostname" | "platform">,
  ): FileContents | undefined {
    const isSilent = this.#sequence === FROM_DISK && namedFilesOf(task.spec.container).length > 0;
    if (task.lacksCredentials || isSilent) return undefined;
    return fileContentsOf(task, node, (file) => this.#payloadOf(file));
  }

  #payloadOf({ kind, reference: { id, name } }: NamedFile): Payload {
    const item = this.#kindOf(`${kind}/`).get(`${kind}/${id}`);
    if (item === undefined) throw new Fault("not-found", `${kind} ${name} not found`);
    const { data, template = false } = readItem(item) as { readonly data: string; readonly template?: true };
    return { bytes: Buffer.from(data, "base64"), isTemplate: template };
  }

  /** For the disk: what a restarted agent starts from until a manager speaks. No secret, config, credential or key is in it. */
  save(): string {
    const kept = [...this.#items].filter(([kind]) => !/^(secret|config|keys)$/.test(kind));
    const rows = kept.flatMap(([, items]) => [...items]);
    return JSON.stringify(rows.map(([key, { json }]) => [key, withoutCredentials(json)]));
  }

  /** A book from what `save` wrote. The next differences will not fit it, so a whole set must come first. */
  static load(text: string): AssignmentBook {
    const book = new AssignmentBook();
    for (const [key, json] of JSON.parse(text) as [string, string][]) book.#set(key, json);
    book.#sequence = FROM_DISK;
    return book;
  }

  #all<T>(kind: string): readonly T[] {
    const known = this.#lists.get(kind);
    if (known !== undefined) return known as readonly T[];
    const list: T[] = [];
    for (const item of this.#items.get(kind)?.values() ?? []) list.push(readItem(item) as T);
    this.#lists.set(kind, list);
    return list;
  }

  #set(key: string, json: string | undefined): void {
    const items = this.#kindOf(key);
    if (json === undefined) items.delete(key);
    else items.set(key, { json });
    this.#lists.delete(kindOf(key));
  }

  #kindOf(key: string): Map<string, Item> {
    const known = this.#items.get(kindOf(key));
    if (known !== undefined) return known;
    const items = new Map<string, Item>();
    this.#items.set(kindOf(key), items);
    return items;
  }

  #clear(): void {
    this.#items = new Map();
    this.#lists.clear();
  }
}

const kindOf = (key: string): string => key.slice(0, key.indexOf("/"));

function readItem(item: Item | undefined): unknown {
  if (item !== undefined) item.value ??= JSON.parse(item.json);
  return item?.value;
}
