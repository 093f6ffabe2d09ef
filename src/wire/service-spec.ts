import { Fault } from "../lib/index.ts";
import {
  DEFAULT_STOP_GRACE_MS,
  DEFAULT_UPDATE,
  type EndpointSpec,
  type PortSpec,
  type ServiceSpec,
} from "../model/index.ts";
import { dict, goStruct, listOf, maybe, natural, omitEmpty, oneOf, readJson, text } from "./json.ts";
import { checkServiceSpec } from "./service-check.ts";
import { modeSchema, modeToWire } from "./service-mode.ts";
import { networksSchema, taskSpecToWire, taskTemplateSchema } from "./task-spec.ts";
import { updateSchema, updateToWire } from "./update-config.ts";

const port = goStruct({
  Name: text,
  Protocol: oneOf("protocol", ["tcp", "udp", "sctp"], "tcp"),
  TargetPort: natural,
  PublishedPort: natural,
  PublishMode: oneOf("publish mode", ["ingress", "host"], "ingress"),
}).transform(
  (wire): PortSpec => ({
    name: wire.Name,
    protocol: wire.Protocol,
    target: wire.TargetPort,
    published: wire.PublishedPort,
    publishMode: wire.PublishMode,
  }),
);

const endpoint = maybe(
  goStruct({ Mode: oneOf("resolution mode", ["vip", "dnsrr"], "vip"), Ports: listOf(port) }),
).transform((wire): EndpointSpec => ({ mode: wire?.Mode ?? "vip", ports: wire?.Ports ?? [] }));

const serviceSchema = goStruct({
  Name: text,
  Labels: dict,
  TaskTemplate: taskTemplateSchema,
  Mode: modeSchema,
  UpdateConfig: updateSchema,
  RollbackConfig: updateSchema,
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
    ...(wire.RollbackConfig !== undefined && { rollback: wire.RollbackConfig }),
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
  const usual = defaults ? DEFAULT_UPDATE : undefined;
  const [update, rollback] = [spec.update ?? usual, spec.rollback ?? usual];
  return {
    Name: spec.name,
    Labels: spec.labels,
    TaskTemplate: taskSpecToWire(defaults ? withStopGrace(spec).task : spec.task),
    Mode: modeToWire(spec.mode),
    ...(update !== undefined && { UpdateConfig: updateToWire(update) }),
    ...(rollback !== undefined && { RollbackConfig: updateToWire(rollback) }),
    EndpointSpec: endpointSpecToWire(spec.endpoint),
  };
}

function withStopGrace(spec: ServiceSpec): ServiceSpec {
  const container = { stopGraceMs: DEFAULT_STOP_GRACE_MS, ...spec.task.container };
  return { ...spec, task: { ...spec.task, container } };
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
