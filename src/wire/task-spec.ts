import { z } from "zod";
import {
  type ContainerSpec,
  DEFAULT_RESTART,
  type LogDriver,
  type NetworkAttachmentSpec,
  type Placement,
  type Resources,
  type RestartPolicy,
  type TaskSpec,
} from "../model/index.ts";
import { containerSchema, containerToWire } from "./container-spec.ts";
import {
  duration,
  listOf,
  maybe,
  nanosOf,
  natural,
  omitEmpty,
  oneOf,
  text,
  texts,
  unserved,
  whole,
} from "./json.ts";
import { logDriverSchema, logDriverToWire } from "./log-driver.ts";

const generic = unserved("cannot use --generic-resource: generic resources are not supported yet");
const amount = z.strictObject({
  NanoCPUs: whole,
  MemoryBytes: whole,
  Pids: whole,
  GenericResources: generic,
});
const swap = unserved("cannot use --memory-swap nor --memory-swappiness: they are not supported yet");

const resources = maybe(
  z.strictObject({
    Limits: maybe(amount),
    Reservations: maybe(amount.extend({ Pids: unserved("cannot reserve pids: they can only be limited") })),
    SwapBytes: swap,
    MemorySwappiness: swap,
  }),
).transform((wire): Resources => {
  const { Limits: limits, Reservations: reservations } = wire ?? {};
  return {
    limits: {
      nanoCpus: limits?.NanoCPUs ?? 0,
      memoryBytes: limits?.MemoryBytes ?? 0,
      pids: limits?.Pids ?? 0,
    },
    reservations: {
      nanoCpus: reservations?.NanoCPUs ?? 0,
      memoryBytes: reservations?.MemoryBytes ?? 0,
      generic: [],
    },
  };
});

const restart = maybe(
  z.strictObject({
    Condition: oneOf("RestartCondition", ["none", "on-failure", "any"], DEFAULT_RESTART.condition),
    Delay: duration,
    MaxAttempts: natural,
    Window: duration,
  }),
).transform(
  (wire): RestartPolicy =>
    wire === undefined
      ? DEFAULT_RESTART
      : {
          condition: wire.Condition,
          delayMs: wire.Delay ?? DEFAULT_RESTART.delayMs,
          maxAttempts: wire.MaxAttempts,
          windowMs: wire.Window ?? DEFAULT_RESTART.windowMs,
        },
);

const placement = maybe(
  z.strictObject({
    Constraints: unserved("cannot use --constraint: placement constraints are not supported yet"),
    Preferences: unserved("cannot use --placement-pref: placement preferences are not supported yet"),
    MaxReplicas: unserved("cannot use --replicas-max-per-node: it is not supported yet"),
    Platforms: listOf(z.strictObject({ Architecture: text, OS: text })),
  }),
).transform(
  (wire): Placement => ({
    constraints: [],
    preferences: [],
    maxReplicas: 0,
    platforms: (wire?.Platforms ?? []).map((p) => ({ architecture: p.Architecture, os: p.OS })),
  }),
);

/** A service's attachments; also Swarm's old place for them, `Spec.Networks`. */
export const networksSchema: z.ZodType<NetworkAttachmentSpec[]> = listOf(
  z
    .strictObject({
      Target: text,
      Aliases: texts,
      DriverOpts: unserved("cannot use driver-opt of a network attachment: it is not supported yet"),
    })
    .transform((wire) => ({ target: wire.Target, aliases: wire.Aliases })),
);

/** What a service's `TaskTemplate` says; without a container when the request brought none. */
export interface TaskTemplate extends Omit<TaskSpec, "container" | "log"> {
  readonly container: ContainerSpec | undefined;
  readonly log: LogDriver;
}

export const taskTemplateSchema: z.ZodType<TaskTemplate> = z
  .strictObject({
    PluginSpec: unserved("cannot run a plugin as a service: it is not supported"),
    NetworkAttachmentSpec: unserved("cannot create a network attachment as a service"),
    ContainerSpec: maybe(containerSchema),
    Resources: resources,
    RestartPolicy: restart,
    Placement: placement,
    Networks: networksSchema,
    LogDriver: logDriverSchema,
    ForceUpdate: natural,
    Runtime: oneOf("runtime type", ["container"], "container"),
  })
  .transform((wire) => ({
    container: wire.ContainerSpec,
    resources: wire.Resources,
    restart: wire.RestartPolicy,
    placement: wire.Placement,
    networks: wire.Networks,
    log: wire.LogDriver,
    forceUpdate: wire.ForceUpdate,
  }));

/** A task's words in Docker's JSON. */
export function taskSpecToWire(spec: TaskSpec): Record<string, unknown> {
  return {
    ContainerSpec: containerToWire(spec.container),
    Resources: resourcesToWire(spec.resources),
    RestartPolicy: restartToWire(spec.restart),
    Placement: omitEmpty({
      Platforms: spec.placement.platforms.map((p) => omitEmpty({ Architecture: p.architecture, OS: p.os })),
    }),
    ...omitEmpty({
      Networks: spec.networks.map((n) => omitEmpty({ Target: n.target, Aliases: n.aliases })),
      LogDriver: logDriverToWire(spec.log),
    }),
    ForceUpdate: spec.forceUpdate,
    Runtime: "container",
  };
}

function resourcesToWire({ limits, reservations }: Resources): Record<string, unknown> {
  return {
    Limits: omitEmpty({ NanoCPUs: limits.nanoCpus, MemoryBytes: limits.memoryBytes, Pids: limits.pids }),
    Reservations: omitEmpty({ NanoCPUs: reservations.nanoCpus, MemoryBytes: reservations.memoryBytes }),
  };
}

function restartToWire(restart: RestartPolicy): Record<string, unknown> {
  return {
    Condition: restart.condition,
    Delay: nanosOf(restart.delayMs),
    MaxAttempts: restart.maxAttempts,
    ...(restart.windowMs > 0 && { Window: nanosOf(restart.windowMs) }),
  };
}
