import { equal, Fault, newId } from "../../lib/index.ts";
import { newMeta, put, randomName, remove, type Service, type ServiceSpec } from "../../model/index.ts";
import type { View } from "../../store/index.ts";
import { requireByRef } from "./find.ts";
import { firstRun, nextRun } from "./job-runs.ts";
import type { ControlParts } from "./parts.ts";
import { checkSpec } from "./service-checks.ts";
import { write } from "./write.ts";

/** Services as the user speaks of them: checked against the cluster, then written in one transaction. */
export class ServiceControl {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  list(): Service[] {
    return [...this.#parts.store.view.all("service")];
  }

  get(ref: string): Service {
    return requireByRef(this.#parts.store.view, "service", ref);
  }

  /** Stores a new service; one without a name is given one. Faults: "exists" (name or port taken), "not-found" (network), "invalid". */
  async create(spec: ServiceSpec): Promise<Service> {
    const { store, clock, random } = this.#parts;
    const id = newId(random);
    const named = spec.name === "" ? { ...spec, name: randomName(random) } : spec;
    await write(store, (view) => {
      const resolved = checkSpec(view, named, undefined);
      const now = clock.now();
      return [
        put("service", { ...newMeta(id, now), spec: resolved, specVersion: 1, ...firstRun(spec, now) }),
      ];
    });
    return this.get(id);
  }

  /**
   * Replaces the spec of the service that still has this version.
   * Faults: "not-found"; "conflict" `update out of sequence`; "unsupported" for a new name or mode.
   */
  async update(
    ref: string,
    version: number,
    spec: ServiceSpec,
    options: UpdateOptions = {},
  ): Promise<Service> {
    const { id } = this.get(ref);
    const { store, clock } = this.#parts;
    await write(store, (view) => {
      const next = updated(view, id, version, spec, options);
      return [put("service", nextRun(next, clock.now()))];
    });
    return this.get(id);
  }

  /** Back to the spec before the last update. Fault "precondition" when there is none; else as `update`. */
  async rollback(ref: string, version: number): Promise<Service> {
    const { id } = this.get(ref);
    const { store, clock } = this.#parts;
    await write(store, (view) => {
      const service = requireVersion(view, id, version);
      if (service.previousSpec === undefined) {
        const what = `service ${ref} does not have a previous spec`;
        throw new Fault("precondition", `rpc error: code = FailedPrecondition desc = ${what}`);
      }
      const updateStatus = {
        state: "rollback_started",
        startedAt: clock.now(),
        message: "manually requested rollback",
      } as const;
      const spec = checkSpec(view, service.previousSpec, id);
      const next = { ...service, spec, previousSpec: service.spec };
      const back = { ...next, specVersion: service.version + 1, updateStatus };
      return [put("service", nextRun(back, clock.now()))];
    });
    return this.get(id);
  }

  /** Forgets the service; its tasks stop and go by themselves. */
  async remove(ref: string): Promise<void> {
    await write(this.#parts.store, (view) => [remove("service", requireByRef(view, "service", ref))]);
  }
}

export interface UpdateOptions {
  /** Whose registry credentials to keep when the new spec brings none. */
  readonly authFrom?: "spec" | "previous-spec";
}

function requireVersion(view: View, id: string, version: number): Service {
  const service = requireByRef(view, "service", id);
  if (service.version !== version) throw new Fault("conflict", "update out of sequence");
  return service;
}

function updated(
  view: View,
  id: string,
  version: number,
  spec: ServiceSpec,
  options: UpdateOptions,
): Service {
  const service = requireVersion(view, id, version);
  const refuse = (what: string) => new Fault("unsupported", `rpc error: code = Unimplemented desc = ${what}`);
  if (spec.name !== service.spec.name) throw refuse("renaming services is not supported");
  if (spec.mode.kind !== service.spec.mode.kind) throw refuse("service mode change is not allowed");
  const resolved = keepAuth(service, checkSpec(view, spec, id), options);
  const { updateStatus: _, ...rest } = service;
  // A paused update that the same words set going again is another one: its failures are counted anew.
  const next = { ...rest, specVersion: service.version + 1 };
  return equal(resolved, service.spec) ? next : { ...next, spec: resolved, previousSpec: service.spec };
}

function keepAuth(service: Service, spec: ServiceSpec, { authFrom }: UpdateOptions): ServiceSpec {
  if (spec.task.container.registryAuth !== undefined) return spec;
  const from = authFrom === "previous-spec" ? service.previousSpec : service.spec;
  const registryAuth = from?.task.container.registryAuth;
  if (registryAuth === undefined) return spec;
  return { ...spec, task: { ...spec.task, container: { ...spec.task.container, registryAuth } } };
}
