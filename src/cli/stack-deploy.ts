import type { EngineClient } from "../client/index.ts";
import type { Dependency, Json, StackPlan, StackStep } from "../compose/index.ts";
import { type Clock, Fault, sleep } from "../lib/index.ts";
import type { RegistryLogins } from "./registry-logins.ts";
import { type ImageFacts, imageOf, ofStack } from "./stack-objects.ts";
import {
  isSettled,
  meets,
  type ServiceJson,
  type ServiceState,
  stateOf,
  type TaskJson,
} from "./stack-state.ts";

const LOOK_MS = 250;

export interface DeployParts {
  readonly client: EngineClient;
  readonly clock: Clock;
  readonly images: ReadonlyMap<string, ImageFacts>;
  readonly signal: AbortSignal;
  /** Whose credentials go along with services; undefined: nobody's, and services keep those they have. */
  readonly logins: RegistryLogins | undefined;
  say(line: string): void;
}

/** Takes a plan's steps and waits until all is as it should be. Faults: the reason why not. */
export class Deployment {
  readonly #plan: StackPlan;
  readonly #parts: DeployParts;
  readonly #old = new Set<string>();
  readonly #said = new Map<string, string>();
  readonly #lost = new AbortController();

  constructor(plan: StackPlan, parts: DeployParts) {
    this.#plan = plan;
    this.#parts = parts;
  }

  /** Writes everything, each service once those it depends on are so far; with `wait` until all services are settled. */
  async run({ wait }: { wait: boolean }): Promise<void> {
    const { steps } = this.#plan;
    for (const { ID } of await this.#tasks({})) this.#old.add(ID);
    const isService = (step: StackStep) => step.kind === "service" && step.verb !== "remove";
    for (const step of steps) if (step.verb === "create" && !isService(step)) await this.#create(step);
    const ids = await this.#fileIds();
    await this.#together(steps.filter(isService).map((step) => this.#service(step, ids)));
    for (const step of steps) if (step.verb === "remove" && step.kind === "service") await this.#remove(step);
    if (wait) await this.#settled();
    for (const step of steps) if (step.verb === "remove" && step.kind !== "service") await this.#remove(step);
  }

  /** The first that fails ends the others' waiting. */
  async #together(all: readonly Promise<void>[]): Promise<void> {
    try {
      await Promise.all(all);
    } catch (error) {
      this.#lost.abort();
      await Promise.allSettled(all);
      throw error;
    }
  }

  async #create({ kind, name, body }: StackStep): Promise<void> {
    await this.#parts.client.post(`/${kind}s/create`, body);
    this.#parts.say(`${kind} ${name}: created`);
  }

  async #remove({ kind, name, id = "" }: StackStep): Promise<void> {
    await this.#parts.client.delete(`/${kind}s/${id}`);
    this.#parts.say(`${kind} ${name}: removed`);
  }

  async #service(step: StackStep, ids: ReadonlyMap<string, string>): Promise<void> {
    const { client, say } = this.#parts;
    for (const dependency of step.after) await this.#waitFor(step, dependency);
    const body = this.#sent(step.body ?? {}, ids);
    const headers = this.#parts.logins?.headersFor(imageOf(step.body ?? {})) ?? {};
    const query = { version: step.version ?? 0, registryAuthFrom: "spec" };
    if (step.verb === "create") await client.post("/services/create", body, {}, headers);
    else await client.post(`/services/${step.id}/update`, body, query, headers);
    say(`service ${step.name}: ${step.verb}d`);
  }

  async #waitFor({ name }: StackStep, { on, condition }: Dependency): Promise<void> {
    const how = condition.replace("service_", "").replaceAll("_", " ");
    let told = false;
    await this.#until((states) => {
      const state = states.find((one) => one.name === on);
      if (state?.failed !== undefined)
        throw new Fault("unavailable", `cannot start ${name}: ${on} it depends on fails: ${state.failed}`);
      if (state !== undefined && meets(state, condition)) return true;
      if (!told) this.#parts.say(`service ${name}: waits until ${on} is ${how}`);
      told = true;
      return false;
    });
  }

  #settled(): Promise<void> {
    const names = new Set(
      this.#plan.steps.filter((s) => s.kind === "service" && s.verb !== "remove").map((s) => s.name),
    );
    for (const name of this.#plan.unchanged) names.add(name);
    return this.#until((states) => {
      const mine = states.filter(({ name }) => names.has(name));
      for (const state of mine) this.#tell(state);
      const lost = mine.find(({ failed }) => failed !== undefined);
      if (lost !== undefined) throw new Fault("unavailable", `${lost.name} does not come up: ${lost.failed}`);
      return mine.length === names.size && mine.every(isSettled);
    });
  }

  #tell({ name, ready, completed, isJob, wanted, reason }: ServiceState): void {
    const count = isJob ? `${completed}/${wanted ?? "?"} completed` : `${ready}/${wanted ?? "?"} running`;
    const why = reason === undefined || (isJob ? completed : ready) >= (wanted ?? 0) ? "" : ` (${reason})`;
    const line = `service ${name}: ${count}${why}`;
    if (this.#said.get(name) !== line) this.#parts.say(line);
    this.#said.set(name, line);
  }

  /** Looks at the stack again and again until `done`. Fault "deadline" when the signal ends it, with what was last seen. */
  async #until(done: (states: readonly ServiceState[]) => boolean): Promise<void> {
    const { clock } = this.#parts;
    const signal = AbortSignal.any([this.#parts.signal, this.#lost.signal]);
    for (;;) {
      const states = await this.#states();
      if (done(states)) return;
      if (signal.aborted) throw new Fault("timeout", `gave up waiting: ${unsettled(states)}`);
      await sleep(clock, LOOK_MS, signal).catch(() => undefined);
    }
  }

  async #states(): Promise<ServiceState[]> {
    const filters = ofStack(this.#plan.stack);
    const services = await this.#parts.client.get<ServiceJson[]>("/services", { filters, status: true });
    const tasks = await this.#tasks({ "_up-to-date": { true: true } });
    return services.map((service) => stateOf(this.#asOfNow(service), tasks, this.#old));
  }

  /** Without what became of an update before this deployment: that of a service which stays as it is. */
  #asOfNow(service: ServiceJson): ServiceJson {
    const { UpdateStatus: _, ...rest } = service;
    return this.#plan.unchanged.includes(String(service.Spec["Name"])) ? rest : service;
  }

  #tasks(more: Json): Promise<TaskJson[]> {
    const filters = { ...ofStack(this.#plan.stack), ...more };
    return this.#parts.client.get<TaskJson[]>("/tasks", { filters });
  }

  /** Ids of secrets and configs, as `secret name`. */
  async #fileIds(): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for (const kind of ["secret", "config"] as const) {
      for (const { ID, Spec } of await this.#parts.client.get<Json[]>(`/${kind}s`))
        found.set(`${kind} ${(Spec as Json)["Name"]}`, String(ID));
    }
    return found;
  }

  /** The spec as it is sent: with ids of its files, and the digest and platforms of its image. */
  #sent(spec: Json, ids: ReadonlyMap<string, string>): Json {
    const template = spec["TaskTemplate"] as Json;
    const container = template["ContainerSpec"] as Json;
    const facts = this.#parts.images.get(imageOf(spec));
    const referring = (field: string, kind: string, name: string, id: string) => {
      const references = container[field] as readonly Json[] | undefined;
      return (
        references && {
          [field]: references.map((one) => ({ ...one, [id]: ids.get(`${kind} ${one[name]}`) })),
        }
      );
    };
    const files = {
      ...referring("Secrets", "secret", "SecretName", "SecretID"),
      ...referring("Configs", "config", "ConfigName", "ConfigID"),
    };
    const image = facts && { Image: `${imageOf(spec)}@${facts.digest}` };
    const platforms = facts && { Platforms: facts.platforms };
    return {
      ...spec,
      TaskTemplate: {
        ...template,
        ContainerSpec: { ...container, ...files, ...image },
        Placement: { ...(template["Placement"] as Json), ...platforms },
      },
    };
  }
}

function unsettled(states: readonly ServiceState[]): string {
  return states
    .filter((state) => !isSettled(state))
    .map(
      (s) =>
        `${s.name} has ${s.isJob ? s.completed : s.ready} of ${s.wanted ?? "?"}${s.reason === undefined ? "" : ` (${s.reason})`}`,
    )
    .join("; ");
}
