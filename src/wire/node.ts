import type { z } from "zod";
import type { Availability, Node, NodeDescription, NodeRole, NodeSpec } from "../model/index.ts";
import { dict, goStruct, omitEmpty, oneOf, readJson, text } from "./json.ts";
import { genericToWire } from "./resources.ts";
import { formatTime } from "./time.ts";

const ROLES: readonly NodeRole[] = ["worker", "manager"];
const AVAILABILITIES: readonly Availability[] = ["active", "pause", "drain"];

/** "" is active. */
export const availabilitySchema: z.ZodType<Availability> = oneOf("Availability", AVAILABILITIES, "active");

const nodeSchema = goStruct({
  Name: text,
  Labels: dict,
  Role: oneOf("Role", ROLES, "worker"),
  Availability: availabilitySchema,
});

/** A node spec from Docker's JSON. Fault "invalid". */
export function nodeSpecFromWire(json: unknown): NodeSpec {
  const wire = readJson(nodeSchema, json, "node spec");
  return {
    ...(wire.Name !== "" && { name: wire.Name }),
    labels: wire.Labels,
    role: wire.Role,
    availability: wire.Availability,
  };
}

/** What a node's JSON needs beside the node. */
export interface NodeView {
  readonly leaderId: string | undefined;
  /** The cluster's `tlsInfoToWire`, which every node shows. */
  readonly tls: Record<string, unknown>;
}

/** A node in Docker's JSON. */
export function nodeToWire(node: Node, view: NodeView): Record<string, unknown> {
  return {
    ID: node.id,
    Version: { Index: node.version },
    CreatedAt: formatTime(node.createdAt),
    UpdatedAt: formatTime(node.updatedAt),
    Spec: {
      ...omitEmpty({ Name: node.spec.name }),
      Labels: node.spec.labels,
      Role: node.spec.role,
      Availability: node.spec.availability,
    },
    Description: descriptionToWire(node.description, view.tls),
    Status: {
      State: node.status.state,
      ...omitEmpty({ Message: node.status.message }),
      Addr: node.status.address,
    },
    ...(node.role === "manager" && { ManagerStatus: managerStatusToWire(node, view.leaderId) }),
  };
}

function descriptionToWire(
  description: NodeDescription | undefined,
  tls: Record<string, unknown>,
): Record<string, unknown> {
  if (description === undefined) return { Platform: {}, Resources: {}, Engine: {}, TLSInfo: tls };
  const { hostname, platform, resources, engineVersion, engineLabels, plugins } = description;
  return {
    Hostname: hostname,
    Platform: { Architecture: platform.architecture, OS: platform.os },
    Resources: {
      NanoCPUs: resources.nanoCpus,
      MemoryBytes: resources.memoryBytes,
      ...omitEmpty({ GenericResources: genericToWire(resources.generic) }),
    },
    Engine: omitEmpty({
      EngineVersion: engineVersion,
      Labels: engineLabels,
      Plugins: plugins.map((p) => ({ Type: p.type, Name: p.name })),
    }),
    TLSInfo: tls,
  };
}

function managerStatusToWire(node: Node, leaderId: string | undefined): Record<string, unknown> {
  return {
    ...(node.id === leaderId && { Leader: true }),
    Reachability: node.status.state === "ready" ? "reachable" : "unreachable",
    Addr: node.managerAddress ?? "",
  };
}
