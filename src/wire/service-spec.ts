import { z } from "zod";
import { equal, Fault } from "../lib/index.ts";
import {
  DEFAULT_STOP_GRACE_MS,
  DEFAULT_UPDATE,
  type EndpointSpec,
  type PortSpec,
  replicasOf,
  type ServiceMode,
  type ServiceSpec,
  type UpdateConfig,
} from "../model/index.ts";
import {
  dict,
  duration,
  listOf,
  maybe,
  nanosOf,
  natural,
  omitEmpty,
  oneOf,
  ratio,
  readJson,
  text,
} from "./json.ts";
import { checkServiceSpec } from "./service-check.ts";
import { networksSchema, taskSpecToWire, taskTemplateSchema } from "./task-spec.ts";

/** `--mode` words to what a spec says; replicated is what is served so far. */
const otherMode = (mode: string) =>
  unservedPresence(`cannot use --mode ${mode}: only replicated services run so far`);

/** Unlike `unserved`, even an empty object is a choice here. */
function unservedPresence(sentence: string): z.ZodType<undefined> {
  return z.unknown().transform((value, context) => {
    if (value !== null && value !== undefined)
      context.issues.push({ code: "custom", message: sentence, input: value, params: { unsupported: true } });
    return undefined;
  });
}

const mode = maybe(
  z.strictObject({
    Replicated: maybe(z.strictObject({ Replicas: maybe(natural) })),
    Global: otherMode("global").optional(),
    ReplicatedJob: otherMode("replicated-job").optional(),
    GlobalJob: otherMode("global-job").optional(),
  }),
).transform((wire): ServiceMode => ({ kind: "replicated", replicas: wire?.Replicated?.Replicas ?? 1 }));

const update = maybe(
  z.strictObject({
    Parallelism: natural,
    Delay: duration,
    FailureAction: oneOf("update failure action", ["pause", "continue", "rollback"], "pause"),
    Monitor: duration,
    MaxFailureRatio: ratio,
    Order: oneOf("update order", ["stop-first", "start-first"], "stop-first"),
  }),
).transform((wire): UpdateConfig | undefined =>
  wire === undefined
    ? undefined
    : {
        parallelism: wire.Parallelism,
        delayMs: wire.Delay ?? DEFAULT_UPDATE.delayMs,
        failureAction: wire.FailureAction,
        monitorMs: wire.Monitor || DEFAULT_UPDATE.monitorMs,
        maxFailureRatio: wire.MaxFailureRatio,
        order: wire.Order,
      },
);

const rollback = update.transform((wire, context) => {
  if (wire === undefined || equal(wire, DEFAULT_UPDATE)) return undefined;
  const message = "cannot use --rollback-…: a rollback's own settings are not supported yet";
  context.issues.push({ code: "custom", message, input: wire, params: { unsupported: true } });
  return z.NEVER;
});

const port = z
  .strictObject({
    Name: text,
    Protocol: oneOf("protocol", ["tcp", "udp", "sctp"], "tcp"),
    TargetPort: natural,
    PublishedPort: natural,
    PublishMode: oneOf("publish mode", ["ingress", "host"], "ingress"),
  })
  .transform(
    (wire): PortSpec => ({
      name: wire.Name,
      protocol: wire.Protocol,
      target: wire.TargetPort,
      published: wire.PublishedPort,
      publishMode: wire.PublishMode,
    }),
  );

const endpoint = maybe(
  z.strictObject({ Mode: oneOf("endpoint mode", ["vip", "dnsrr"], "vip"), Ports: listOf(port) }),
).transform((wire): EndpointSpec => ({ mode: wire?.Mode ?? "vip", ports: wire?.Ports ?? [] }));

const serviceSchema = z.strictObject({
  Name: text,
  Labels: dict,
  TaskTemplate: taskTemplateSchema,
  Mode: mode,
  UpdateConfig: update,
  RollbackConfig: rollback,
  Networks: networksSchema,
  EndpointSpec: endpoint,
});

/**
 * A service spec from Docker's JSON, checked as Swarm's control API checks it. An empty name stays empty.
 * Faults: "invalid" in Swarm's words; "unsupported" for what Swarm has and Shoal has not yet.
 */
export function serviceSpecFromWire(json: unknown): ServiceSpec {
  const wire = readJson(serviceSchema, withTemplate(json), "service spec");
  const { container, ...task } = wire.TaskTemplate;
  if (container === undefined) {
    const what = "ContainerSpec: missing in service spec";
    throw new Fault("invalid", `rpc error: code = InvalidArgument desc = ${what}`);
  }
  const networks = task.networks.length > 0 ? task.networks : wire.Networks;
  const spec: ServiceSpec = {
    name: wire.Name,
    labels: wire.Labels,
    task: { ...task, container, networks },
    mode: wire.Mode,
    ...(wire.UpdateConfig !== undefined && { update: wire.UpdateConfig }),
    endpoint: wire.EndpointSpec,
  };
  checkServiceSpec(spec);
  return spec;
}

/** Go reads a missing struct as an empty one. */
function withTemplate(json: unknown): unknown {
  return typeof json === "object" && json !== null && !Array.isArray(json)
    ? { TaskTemplate: {}, ...json }
    : json;
}

/** A service's words in Docker's JSON. `defaults` fills in what the user left out (`?insertDefaults=true`). */
export function serviceSpecToWire(
  spec: ServiceSpec,
  { defaults = false }: { defaults?: boolean } = {},
): Record<string, unknown> {
  const updateConfig = spec.update ?? (defaults ? DEFAULT_UPDATE : undefined);
  return {
    Name: spec.name,
    Labels: spec.labels,
    TaskTemplate: taskSpecToWire(defaults ? withStopGrace(spec).task : spec.task),
    Mode: { Replicated: { Replicas: replicasOf(spec.mode) ?? 0 } },
    ...(updateConfig !== undefined && { UpdateConfig: updateToWire(updateConfig) }),
    ...(defaults && { RollbackConfig: updateToWire(DEFAULT_UPDATE) }),
    EndpointSpec: endpointSpecToWire(spec.endpoint),
  };
}

function withStopGrace(spec: ServiceSpec): ServiceSpec {
  const container = { stopGraceMs: DEFAULT_STOP_GRACE_MS, ...spec.task.container };
  return { ...spec, task: { ...spec.task, container } };
}

function updateToWire(config: UpdateConfig): Record<string, unknown> {
  return {
    Parallelism: config.parallelism,
    ...(config.delayMs > 0 && { Delay: nanosOf(config.delayMs) }),
    FailureAction: config.failureAction,
    Monitor: nanosOf(config.monitorMs),
    MaxFailureRatio: config.maxFailureRatio,
    Order: config.order,
  };
}

export function endpointSpecToWire(spec: EndpointSpec): Record<string, unknown> {
  return { Mode: spec.mode, ...(spec.ports.length > 0 && { Ports: spec.ports.map(portToWire) }) };
}

/** A port in Docker's JSON. */
export function portToWire(port: PortSpec): Record<string, unknown> {
  return omitEmpty({
    Name: port.name,
    Protocol: port.protocol,
    TargetPort: port.target,
    PublishedPort: port.published,
    PublishMode: port.publishMode,
  });
}
