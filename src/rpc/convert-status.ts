import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  GenericResourceSchema,
  NodeDescriptionSchema,
  TaskStatusSchema,
  NodeDescription as WireDescription,
  GenericResource as WireGeneric,
  Port as WirePort,
  TaskStatus as WireStatus,
} from "../gen/shoal/rpc_pb.ts";
import {
  type GenericResource,
  type NodeDescription,
  type PortSpec,
  TASK_STATES,
  type TaskStatus,
} from "../model/index.ts";
import { BOUNDS, clip, count, few, malformed, oneOf, port, word } from "./bounds.ts";

/** A task's status for the wire. */
export function statusToWire(status: TaskStatus): MessageInitShape<typeof TaskStatusSchema> {
  const { at, state, message, error, container, ports } = status;
  return {
    at: BigInt(Math.round(at)),
    state,
    message,
    ...(error !== undefined && { error }),
    ...(container && { container: { ...container, pid: BigInt(container.pid) } }),
    ...(ports && { ports: { ports: [...ports] } }),
  };
}

/** A task's status as an agent reports it; Fault "invalid" for what no agent of ours would say. */
export function statusFromWire({ at, state, message, error, container, ports }: WireStatus): TaskStatus {
  return {
    at: count("status.at", at),
    state: oneOf("status.state", state, TASK_STATES),
    message: clip(message),
    ...(error !== undefined && { error: clip(error) }),
    ...(container && { container: containerFromWire(container) }),
    ...(ports && { ports: few("status.ports", ports.ports).map(portFromWire) }),
  };
}

function containerFromWire({
  id,
  pid,
  exitCode,
}: NonNullable<WireStatus["container"]>): NonNullable<TaskStatus["container"]> {
  return {
    id: word("container.id", id, BOUNDS.id),
    pid: count("container.pid", pid),
    ...(exitCode !== undefined && { exitCode }),
  };
}

function portFromWire(wire: WirePort): PortSpec {
  return {
    name: word("port.name", wire.name),
    protocol: oneOf("port.protocol", wire.protocol, ["tcp", "udp", "sctp"]),
    target: port("port.target", wire.target),
    published: port("port.published", wire.published),
    publishMode: oneOf("port.publishMode", wire.publishMode, ["ingress", "host"]),
  };
}

/** What a node is, for the wire. */
export function descriptionToWire(node: NodeDescription): MessageInitShape<typeof NodeDescriptionSchema> {
  return {
    hostname: node.hostname,
    architecture: node.platform.architecture,
    os: node.platform.os,
    nanoCpus: BigInt(Math.round(node.resources.nanoCpus)),
    memoryBytes: BigInt(Math.round(node.resources.memoryBytes)),
    engineVersion: node.engineVersion,
    engineLabels: { ...node.engineLabels },
    plugins: [...node.plugins],
    generic: node.resources.generic.map(genericToWire),
  };
}

function genericToWire(resource: GenericResource): MessageInitShape<typeof GenericResourceSchema> {
  const { kind } = resource;
  return "id" in resource
    ? { kind, value: { case: "id", value: resource.id } }
    : { kind, value: { case: "count", value: BigInt(Math.round(resource.count)) } };
}

function genericFromWire({ kind, value }: WireGeneric): GenericResource {
  const named = word("generic.kind", kind);
  return value.case === "id"
    ? { kind: named, id: word("generic.id", value.value) }
    : { kind: named, count: count("generic.count", value.value ?? 0n) };
}

/** What a node says it is; Fault "invalid" when it is too much to keep. */
export function descriptionFromWire(wire: WireDescription | undefined): NodeDescription {
  if (wire === undefined) throw malformed("a node describes itself in its first message");
  const labels = few("engineLabels", Object.entries(wire.engineLabels));
  const description = {
    hostname: word("hostname", wire.hostname),
    platform: { architecture: word("architecture", wire.architecture), os: word("os", wire.os) },
    resources: {
      nanoCpus: count("nanoCpus", wire.nanoCpus),
      memoryBytes: count("memoryBytes", wire.memoryBytes),
      generic: few("generic", wire.generic).map(genericFromWire),
    },
    engineVersion: word("engineVersion", wire.engineVersion),
    engineLabels: Object.fromEntries(labels.map(([key, value]) => [word("label", key), clip(value)])),
    plugins: few("plugins", wire.plugins).map(({ type, name }) => ({
      type: word("plugin.type", type),
      name: word("plugin.name", name),
    })),
  };
  const size = JSON.stringify(description).length;
  if (size > BOUNDS.description) throw malformed(`a node's description has ${size} characters`);
  return description;
}
