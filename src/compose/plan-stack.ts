import { equal } from "../lib/index.ts";
import { canonicalSpec, type Names, saidImage } from "./canonical.ts";
import { fieldChanges } from "./field-changes.ts";
import { type Contents, type FilesPlan, planFiles, planLeftovers } from "./plan-files.ts";
import { Problems } from "./problem.ts";
import { type Json, NAMESPACE, type Stack, scoped, type WantedService } from "./stack.ts";
import type { StackObjects, StackPlan, StackStep } from "./stack-plan.ts";

export interface PlanOptions {
  /** Removes services of the stack that its files do not name. */
  readonly prune?: boolean;
  /** What registries say that images are now: a service whose image has moved is updated. */
  readonly digests?: ReadonlyMap<string, string>;
}

/**
 * What must change so that a cluster runs a stack: pure. Planning again after the steps were taken says nothing.
 */
export function planStack(
  stack: Stack,
  objects: StackObjects,
  contents: Contents,
  { prune = false, digests = new Map() }: PlanOptions = {},
): StackPlan {
  const problems = new Problems();
  const common = { contents, problems };
  const secrets = planFiles({ ...common, kind: "secret", files: stack.secrets, present: objects.secrets });
  const configs = planFiles({ ...common, kind: "config", files: stack.configs, present: objects.configs });
  const services = stack.services.map((one) =>
    planService(stack, named(one, secrets, configs), objects, { digests, problems }),
  );
  tellTakenPorts(stack, objects, problems);
  const orphans = orphansOf(stack, objects);
  const kept = new Set([
    ...[...secrets.names.values()].map((name) => `secret ${name}`),
    ...[...configs.names.values()].map((name) => `config ${name}`),
  ]);
  const steps = [
    ...planNetworks(stack, objects, problems),
    ...secrets.steps,
    ...configs.steps,
    ...services.flatMap((step) => step ?? []),
    ...(prune ? orphans.map(removal) : []),
    ...planLeftovers(stack, objects, kept),
  ];
  return {
    stack: stack.name,
    steps,
    unchanged: stack.services.filter((_, i) => services[i] === undefined).map(({ name }) => name),
    orphans: prune ? [] : orphans.map((one) => String(specOf(one)["Name"])),
    problems: problems.list(),
  };
}

const specOf = (object: Json): Json => (object["Spec"] ?? {}) as Json;
const isOf = (stack: string, object: Json): boolean =>
  ((specOf(object)["Labels"] ?? {}) as Json)[NAMESPACE] === stack;

function orphansOf(stack: Stack, { services }: StackObjects): Json[] {
  const wanted = new Set(stack.services.map(({ name }) => name));
  return services.filter((one) => isOf(stack.name, one) && !wanted.has(String(specOf(one)["Name"])));
}

function removal(service: Json): StackStep {
  const name = String(specOf(service)["Name"]);
  const because = "the files do not name it";
  return {
    verb: "remove",
    kind: "service",
    name,
    id: String(service["ID"]),
    changes: [],
    restarts: [],
    after: [],
    because,
  };
}

function planNetworks(stack: Stack, { networks }: StackObjects, problems: Problems): StackStep[] {
  return stack.networks.flatMap(({ name, external, at, body }): StackStep[] => {
    const there = networks.filter((one) => one["Name"] === name);
    const swarm = there.find((one) => one["Scope"] === "swarm");
    const builtIn = name === "host" || name === "bridge" || name === "none";
    if (external && !builtIn && there.length === 0)
      problems.error(at, `the external network ${name} is not in the cluster`);
    else if (external && !builtIn && swarm === undefined)
      problems.error(at, `the external network ${name} is of one node alone, not of the swarm`);
    if (external || swarm !== undefined) return [];
    return [{ verb: "create", kind: "network", name, body, changes: [], restarts: [], after: [] }];
  });
}

/** The service with the names that its secrets and configs have in the cluster. */
function named(service: WantedService, secrets: FilesPlan, configs: FilesPlan): WantedService {
  const template = service.spec["TaskTemplate"] as Json;
  const container = template["ContainerSpec"] as Json;
  const renamed = (field: string, name: string, { names }: FilesPlan) => {
    const references = container[field] as readonly Json[] | undefined;
    if (references === undefined) return {};
    return {
      [field]: references.map((one) => ({ ...one, [name]: names.get(String(one[name])) ?? one[name] })),
    };
  };
  const files = {
    ...renamed("Secrets", "SecretName", secrets),
    ...renamed("Configs", "ConfigName", configs),
  };
  const spec = { ...service.spec, TaskTemplate: { ...template, ContainerSpec: { ...container, ...files } } };
  return { ...service, spec };
}

/** Undefined when the service is as it should be. */
function planService(
  stack: Stack,
  wanted: WantedService,
  objects: StackObjects,
  { digests, problems }: { digests: ReadonlyMap<string, string>; problems: Problems },
): StackStep | undefined {
  const there = objects.services.find((one) => specOf(one)["Name"] === wanted.name);
  const after = wanted.dependsOn.map((one) => ({ ...one, on: scoped(stack.name, one.on) }));
  const step = { kind: "service", name: wanted.name, body: wanted.spec, after } as const;
  if (there === undefined) return { ...step, verb: "create", changes: [], restarts: [] };
  const names: Names = { digests, networkName: (id) => networkName(objects.networks, id) };
  const [is, shall] = [
    canonicalSpec(specOf(there), names),
    canonicalSpec(wanted.spec, { ...names, wanted: true }),
  ];
  if (equal(is, shall)) return undefined;
  const [had, mode] = [modeOf(is), modeOf(shall)];
  if (had !== mode)
    problems.error(
      wanted.fields.get("mode") ?? wanted.at,
      `a service's mode cannot change from ${had} to ${mode}: remove ${wanted.name} first`,
    );
  const changes = fieldChanges(is, shall);
  if (changes.length === 0) return undefined;
  const { Version: version, ID: id } = there as { Version?: { Index?: number }; ID?: string };
  const restarts = doRestart(is, shall) ? tasksOf(String(id), wanted.name, objects.tasks) : [];
  return {
    ...step,
    body: continued(wanted.spec, specOf(there)),
    verb: "update",
    id: String(id),
    version: version?.Index ?? 0,
    changes,
    restarts,
    ...(restarts.length > 0 && { pace: paceOf(shall) }),
  };
}

/** What an update keeps of the service: how often it was forced, and the digest of an image that stays. */
function continued(spec: Json, before: Json): Json {
  const [template, old] = [spec["TaskTemplate"] as Json, (before["TaskTemplate"] ?? {}) as Json];
  const [container, had] = [template["ContainerSpec"] as Json, (old["ContainerSpec"] ?? {}) as Json];
  const image = String(had["Image"] ?? "");
  const stays = saidImage(before, image) === container["Image"];
  const platforms = ((old["Placement"] ?? {}) as Json)["Platforms"];
  return {
    ...spec,
    TaskTemplate: {
      ...template,
      ...(old["ForceUpdate"] !== undefined && { ForceUpdate: old["ForceUpdate"] }),
      ...(stays && { ContainerSpec: { ...container, Image: image } }),
      ...(stays &&
        platforms !== undefined && {
          Placement: { ...(template["Placement"] as Json), Platforms: platforms },
        }),
    },
  };
}

/** "replicated-job". */
function modeOf(spec: Json): string {
  const [name = "Replicated"] = Object.keys((spec["Mode"] ?? {}) as Json);
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase();
}

function networkName(networks: readonly Json[], id: string): string {
  const found = networks.find((one) => one["Id"] === id);
  return found === undefined ? id : String(found["Name"]);
}

/** As the orchestrator's own rule: a task's words and its ports touch it; labels, replicas and update rules do not. */
function doRestart(is: Json, shall: Json): boolean {
  const words = ({ TaskTemplate: template, EndpointSpec: endpoint }: Json) => {
    const { Placement: _, ...rest } = template as Json;
    return { rest, endpoint };
  };
  return !equal(words(is), words(shall));
}

function tasksOf(service: string, name: string, tasks: readonly Json[]): string[] {
  return tasks
    .filter((task) => task["ServiceID"] === service && task["DesiredState"] === "running")
    .map(({ Slot, NodeID }) => `${name}.${Slot === undefined || Slot === 0 ? NodeID : Slot}`)
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

function paceOf(spec: Json): string {
  const { Parallelism: many = 1, Order: order = "stop-first" } = (spec["UpdateConfig"] ?? {}) as Json;
  return `${many === 0 ? "all at once" : `${String(many)} at a time`}, ${String(order)}`;
}

interface Published {
  readonly PublishedPort?: number;
  readonly Protocol?: string;
  readonly PublishMode?: string;
}

const ports = (spec: Json): readonly Published[] =>
  (((spec["EndpointSpec"] ?? {}) as Json)["Ports"] ?? []) as readonly Published[];
const portKey = ({ PublishedPort: port, Protocol: protocol }: Published) => `${port}/${protocol ?? "tcp"}`;

/** Published ports that services outside the stack have. */
function tellTakenPorts(stack: Stack, { services }: StackObjects, problems: Problems): void {
  const own = new Set(stack.services.map(({ name }) => name));
  const taken = new Map<string, string>();
  for (const one of services) {
    const name = String(specOf(one)["Name"]);
    if (own.has(name)) continue;
    for (const port of ports(specOf(one))) if (port.PublishMode !== "host") taken.set(portKey(port), name);
  }
  for (const { spec, at, fields } of stack.services) {
    for (const port of ports(spec)) {
      const other = port.PublishedPort && port.PublishMode !== "host" ? taken.get(portKey(port)) : undefined;
      if (other !== undefined)
        problems.error(
          fields.get("ports") ?? at,
          `port ${portKey(port)} is published by the service ${other}`,
        );
    }
  }
}
