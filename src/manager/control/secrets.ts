import { equal, Fault, newId } from "../../lib/index.ts";
import {
  type ContainerSpec,
  type FileKind,
  namedFilesOf,
  newMeta,
  put,
  remove,
  type Secret,
  type SecretSpec,
} from "../../model/index.ts";
import type { View } from "../../store/index.ts";
import { requireByRef } from "./find.ts";
import type { ControlParts } from "./parts.ts";
import { write } from "./write.ts";

/** Secrets, or configs, as the user speaks of them: in swarmkit's words (manager/controlapi/secret.go and config.go). */
export class SecretControl {
  readonly #parts: ControlParts;
  readonly #kind: FileKind;

  constructor(parts: ControlParts, kind: FileKind) {
    this.#parts = parts;
    this.#kind = kind;
  }

  list(): Secret[] {
    return [...this.#parts.store.view.all(this.#kind)];
  }

  get(ref: string): Secret {
    return requireByRef(this.#parts.store.view, this.#kind, ref);
  }

  /** Stores a new one. Fault "exists" for a name that is taken. */
  async create(spec: SecretSpec): Promise<Secret> {
    const { store, clock, random } = this.#parts;
    const kind = this.#kind;
    const id = newId(random);
    await write(store, (view) => {
      const taken = [...view.all(kind)].some((other) => other.spec.name === spec.name);
      if (taken) throw new Fault("exists", rpc("AlreadyExists", `${kind} ${spec.name} already exists`));
      return [put(kind, { ...newMeta(id, clock.now()), spec })];
    });
    return this.get(id);
  }

  /** New labels; whoever changes more is refused. Faults: "not-found", "invalid", "conflict" `update out of sequence`. */
  async update(ref: string, version: number, { name, labels, data }: SecretSpec): Promise<void> {
    const { id } = this.get(ref);
    await write(this.#parts.store, (view) => {
      const old = requireByRef(view, this.#kind, id);
      if (name !== old.spec.name || (data !== "" && data !== old.spec.data))
        throw invalid("only updates to Labels are allowed");
      if (old.version !== version) throw new Fault("conflict", "update out of sequence");
      return equal(labels, old.spec.labels)
        ? []
        : [put(this.#kind, { ...old, spec: { ...old.spec, labels }, updatedAt: this.#parts.clock.now() })];
    });
  }

  /** Fault "invalid" while a service refers to it. */
  async remove(ref: string): Promise<void> {
    await write(this.#parts.store, (view) => {
      const secret = requireByRef(view, this.#kind, ref);
      const users = usersOf(view, this.#kind, secret.id);
      if (users.length > 0) {
        const services = users.length === 1 ? "service" : "services";
        const what = `${this.#kind} '${secret.spec.name}' is in use by the following ${services}`;
        throw invalid(`${what}: ${users.join(", ")}`);
      }
      return [remove(this.#kind, secret)];
    });
  }
}

/** Faults unless all that the container refers to is there, under the name that it says. */
export function checkFiles(view: View, container: ContainerSpec): void {
  const files = namedFilesOf(container);
  for (const kind of ["secret", "config"] as const) {
    const missing = files
      .filter((file) => file.kind === kind)
      .map(({ reference }) => reference)
      .filter(({ id, name }) => view.get(kind, id)?.spec.name !== name);
    if (missing.length === 0) continue;
    const names = missing.map(({ name }) => name).join(", ");
    throw invalid(`${kind}${missing.length === 1 ? "" : "s"} not found: ${names}`);
  }
}

function usersOf(view: View, kind: FileKind, id: string): string[] {
  return [...view.all("service")]
    .filter(({ spec }) =>
      namedFilesOf(spec.task.container).some((file) => file.kind === kind && file.reference.id === id),
    )
    .map(({ spec }) => spec.name);
}

function invalid(what: string): Fault {
  return new Fault("invalid", rpc("InvalidArgument", what));
}

function rpc(code: string, what: string): string {
  return `rpc error: code = ${code} desc = ${what}`;
}
