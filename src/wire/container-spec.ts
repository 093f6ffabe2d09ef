import { z } from "zod";
import type { ContainerSpec } from "../model/index.ts";
import {
  configReferences,
  configReferenceToWire,
  secretReferences,
  secretReferenceToWire,
} from "./file-reference.ts";
import { healthSchema, healthToWire } from "./health-check.ts";
import {
  dict,
  duration,
  flag,
  goStruct,
  listOf,
  maybe,
  nanosOf,
  omitEmpty,
  oneOf,
  text,
  texts,
  whole,
} from "./json.ts";
import { mountsSchema, mountToWire } from "./mount.ts";
import { privilegesSchema, privilegesToWire } from "./privileges.ts";

const noDns = { Nameservers: [], Search: [], Options: [] };

/** `TaskTemplate.ContainerSpec`, as model's ContainerSpec. */
export const containerSchema: z.ZodType<ContainerSpec> = goStruct({
  Image: text,
  Labels: dict,
  Command: texts,
  Args: texts,
  Hostname: text,
  Env: texts,
  Dir: text,
  User: text,
  Groups: texts,
  Privileges: privilegesSchema,
  Init: maybe(z.boolean()),
  StopSignal: text,
  TTY: flag,
  OpenStdin: flag,
  ReadOnly: flag,
  Mounts: mountsSchema,
  StopGracePeriod: duration,
  Healthcheck: healthSchema,
  Hosts: texts,
  DNSConfig: maybe(goStruct({ Nameservers: texts, Search: texts, Options: texts })),
  Secrets: secretReferences,
  Configs: configReferences,
  Isolation: oneOf((word) => `invalid isolation '${word}' on linux`, ["default"], "default"),
  Sysctls: dict,
  CapabilityAdd: texts,
  CapabilityDrop: texts,
  Ulimits: listOf(goStruct({ Name: text, Soft: whole, Hard: whole })),
  OomScoreAdj: whole,
}).transform((wire): ContainerSpec => {
  const dns = wire.DNSConfig ?? noDns;
  return {
    image: wire.Image,
    labels: wire.Labels,
    command: wire.Command,
    args: wire.Args,
    hostname: wire.Hostname,
    env: wire.Env,
    dir: wire.Dir,
    user: wire.User,
    groups: wire.Groups,
    tty: wire.TTY,
    openStdin: wire.OpenStdin,
    readOnly: wire.ReadOnly,
    ...(wire.Init !== undefined && { init: wire.Init }),
    stopSignal: wire.StopSignal,
    ...(wire.StopGracePeriod !== undefined && { stopGraceMs: wire.StopGracePeriod }),
    mounts: wire.Mounts,
    hosts: wire.Hosts,
    dns: { nameservers: dns.Nameservers, search: dns.Search, options: dns.Options },
    capabilityAdd: wire.CapabilityAdd,
    capabilityDrop: wire.CapabilityDrop,
    sysctls: wire.Sysctls,
    ulimits: wire.Ulimits.map((u) => ({ name: u.Name, soft: u.Soft, hard: u.Hard })),
    oomScoreAdj: wire.OomScoreAdj,
    ...(wire.Healthcheck !== undefined && { health: wire.Healthcheck }),
    ...(wire.Privileges !== undefined && { privileges: wire.Privileges }),
    ...(wire.Secrets !== undefined && { secrets: wire.Secrets }),
    ...(wire.Configs !== undefined && { configs: wire.Configs }),
  };
});

/** A container's words in Docker's JSON. The registry's credentials stay out. */
export function containerToWire(spec: ContainerSpec): Record<string, unknown> {
  const { dns } = spec;
  return {
    Image: spec.image,
    ...omitEmpty({
      Labels: spec.labels,
      Command: spec.command,
      Args: spec.args,
      Hostname: spec.hostname,
      Env: spec.env,
      Dir: spec.dir,
      User: spec.user,
      Groups: spec.groups,
    }),
    ...(spec.privileges !== undefined && { Privileges: privilegesToWire(spec.privileges) }),
    ...(spec.init !== undefined && { Init: spec.init }),
    ...omitEmpty({
      StopSignal: spec.stopSignal,
      TTY: spec.tty,
      OpenStdin: spec.openStdin,
      ReadOnly: spec.readOnly,
      Mounts: spec.mounts.map(mountToWire),
    }),
    ...(spec.stopGraceMs !== undefined && { StopGracePeriod: nanosOf(spec.stopGraceMs) }),
    ...(spec.health !== undefined && { Healthcheck: healthToWire(spec.health) }),
    ...omitEmpty({ Hosts: spec.hosts }),
    DNSConfig: omitEmpty({ Nameservers: dns.nameservers, Search: dns.search, Options: dns.options }),
    ...omitEmpty({
      Secrets: spec.secrets?.map(secretReferenceToWire),
      Configs: spec.configs?.map(configReferenceToWire),
    }),
    Isolation: "default",
    ...omitEmpty({
      Sysctls: spec.sysctls,
      CapabilityAdd: spec.capabilityAdd,
      CapabilityDrop: spec.capabilityDrop,
      Ulimits: spec.ulimits.map((u) => ({ Name: u.name, Hard: u.hard, Soft: u.soft })),
      OomScoreAdj: spec.oomScoreAdj,
    }),
  };
}
