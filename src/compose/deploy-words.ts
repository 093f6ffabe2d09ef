import {
  bytes,
  duration,
  ignored,
  list,
  natural,
  number,
  object,
  pairs,
  type Read,
  type Said,
  said,
  text,
  word,
} from "./read.ts";

export interface UpdateWords {
  parallelism: number;
  delay: number;
  failure_action: string;
  monitor: number;
  max_failure_ratio: number;
  order: string;
}

export interface DeviceWords {
  capabilities: string[];
  driver: string;
  count: string;
  device_ids: string[];
}

export interface ResourceWords {
  cpus: number;
  memory: number;
  pids: number;
  generic_resources: Partial<{ discrete_resource_spec: Partial<{ kind: string; value: number }> }>[];
  devices: Said<Partial<DeviceWords>>[];
}

export interface DeployWords {
  mode: string;
  replicas: Said<number>;
  endpoint_mode: string;
  labels: Map<string, string | undefined>;
  update_config: Partial<UpdateWords>;
  rollback_config: Partial<UpdateWords>;
  restart_policy: Partial<{ condition: string; delay: number; max_attempts: number; window: number }>;
  placement: Partial<{
    constraints: string[];
    preferences: Partial<{ spread: string }>[];
    max_replicas_per_node: number;
  }>;
  resources: Partial<{ limits: Partial<ResourceWords>; reservations: Partial<ResourceWords> }>;
}

const update = (what: string): Read<Partial<UpdateWords>> =>
  object<UpdateWords>(what, {
    parallelism: natural,
    delay: duration,
    failure_action: word("continue", "pause", "rollback"),
    monitor: duration,
    max_failure_ratio: number,
    order: word("stop-first", "start-first"),
  });

const device = object<DeviceWords & { options: unknown }>("a device", {
  capabilities: list(text),
  driver: text,
  count: text,
  device_ids: list(text),
  options: ignored("options of a device are ignored: a generic resource has none"),
}) as Read<Partial<DeviceWords>>;

const limits = object<Pick<ResourceWords, "cpus" | "memory" | "pids">>("limits", {
  cpus: number,
  memory: bytes,
  pids: natural,
});

const reservations = object<Omit<ResourceWords, "pids">>("reservations", {
  cpus: number,
  memory: bytes,
  generic_resources: list(
    object<{ discrete_resource_spec: Partial<{ kind: string; value: number }> }>("a generic resource", {
      discrete_resource_spec: object<{ kind: string; value: number }>("discrete_resource_spec", {
        kind: text,
        value: natural,
      }),
    }),
  ),
  devices: list(said(device)),
});

export const deployWords: Read<Partial<DeployWords>> = object<DeployWords>("deploy", {
  mode: word("replicated", "global", "replicated-job", "global-job"),
  replicas: said(natural),
  endpoint_mode: word("vip", "dnsrr"),
  labels: pairs,
  update_config: update("update_config"),
  rollback_config: update("rollback_config"),
  restart_policy: object<{ condition: string; delay: number; max_attempts: number; window: number }>(
    "restart_policy",
    {
      condition: word("none", "on-failure", "any"),
      delay: duration,
      max_attempts: natural,
      window: duration,
    },
  ),
  placement: object<{
    constraints: string[];
    preferences: Partial<{ spread: string }>[];
    max_replicas_per_node: number;
  }>("placement", {
    constraints: list(text),
    preferences: list(object<{ spread: string }>("a preference", { spread: text })),
    max_replicas_per_node: natural,
  }),
  resources: object<{ limits: Partial<ResourceWords>; reservations: Partial<ResourceWords> }>("resources", {
    limits,
    reservations,
  }),
});
