import type { z } from "zod";
import {
  type ContainerSpec,
  DEFAULT_RESTART,
  type LogDriver,
  type NetworkAttachmentSpec,
  type RestartPolicy,
  type TaskSpec,
} from "../model/index.ts";
import { containerSchema, containerToWire } from "./container-spec.ts";
import {
  dict,
  duration,
  goStruct,
  listOf,
  maybe,
  nanosOf,
  natural,
  omitEmpty,
  oneOf,
  text,
  texts,
  unserved,
} from "./json.ts";
import { logDriverSchema, logDriverToWire } from "./log-driver.ts";
import { placementSchema, placementToWire } from "./placement.ts";
import { resourcesSchema, resourcesToWire } from "./resources.ts";

const restart = maybe(
  goStruct({
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

/** A service's attachments; also Swarm's old place for them, `Spec.Networks`. */
export const networksSchema: z.ZodType<NetworkAttachmentSpec[]> = listOf(
  goStruct({ Target: text, Aliases: texts, DriverOpts: dict }).transform(
    (wire): NetworkAttachmentSpec => ({
      target: wire.Target,
      aliases: wire.Aliases,
      ...(Object.keys(wire.DriverOpts).length > 0 && { driverOptions: wire.DriverOpts }),
    }),
  ),
);

/** What a service's `TaskTemplate` says; without a container when the request brought none. */
export interface TaskTemplate extends Omit<TaskSpec, "container" | "log"> {
  readonly container: ContainerSpec | undefined;
  readonly log: LogDriver;
}

export const taskTemplateSchema: z.ZodType<TaskTemplate> = goStruct({
  PluginSpec: unserved("cannot run a plugin as a service: it is not supported"),
  NetworkAttachmentSpec: unserved("cannot create a network attachment as a service"),
  ContainerSpec: maybe(containerSchema),
  Resources: resourcesSchema,
  RestartPolicy: restart,
  Placement: placementSchema,
  Networks: networksSchema,
  LogDriver: logDriverSchema,
  ForceUpdate: natural,
  Runtime: oneOf("runtime type", ["container"], "container"),
}).transform((wire) => ({
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
    Placement: placementToWire(spec.placement),
    ...omitEmpty({
      Networks: spec.networks.map(attachmentToWire),
      LogDriver: logDriverToWire(spec.log),
    }),
    ForceUpdate: spec.forceUpdate,
    Runtime: "container",
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

function attachmentToWire(attachment: NetworkAttachmentSpec): Record<string, unknown> {
  return omitEmpty({
    Target: attachment.target,
    Aliases: attachment.aliases,
    DriverOpts: attachment.driverOptions,
  });
}
