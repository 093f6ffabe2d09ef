import { z } from "zod";
import type { GenericResource, Resources } from "../model/index.ts";
import { goStruct, listOf, maybe, omitEmpty, text, unserved, whole } from "./json.ts";

const generic = goStruct({
  DiscreteResourceSpec: maybe(goStruct({ Kind: text, Value: whole })),
  NamedResourceSpec: maybe(goStruct({ Kind: text, Value: text })),
}).transform((wire, context): GenericResource => {
  const { DiscreteResourceSpec: counted, NamedResourceSpec: named } = wire;
  if (counted !== undefined) return { kind: counted.Kind, count: counted.Value };
  if (named !== undefined) return { kind: named.Kind, id: named.Value };
  context.issues.push({ code: "custom", message: "invalid generic resource: it has no kind", input: wire });
  return z.NEVER;
});

const swap = unserved("cannot use --memory-swap nor --memory-swappiness: they are not supported yet");

/** `Resources`: what is absent is 0. */
export const resourcesSchema: z.ZodType<Resources> = maybe(
  goStruct({
    Limits: maybe(
      goStruct({
        NanoCPUs: whole,
        MemoryBytes: whole,
        Pids: whole,
        GenericResources: unserved("cannot limit generic resources: they can only be reserved"),
      }),
    ),
    Reservations: maybe(
      goStruct({
        NanoCPUs: whole,
        MemoryBytes: whole,
        Pids: unserved("cannot reserve pids: they can only be limited"),
        GenericResources: listOf(generic),
      }),
    ),
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
      generic: reservations?.GenericResources ?? [],
    },
  };
});

export function resourcesToWire({ limits, reservations }: Resources): Record<string, unknown> {
  return {
    Limits: omitEmpty({ NanoCPUs: limits.nanoCpus, MemoryBytes: limits.memoryBytes, Pids: limits.pids }),
    Reservations: omitEmpty({
      NanoCPUs: reservations.nanoCpus,
      MemoryBytes: reservations.memoryBytes,
      GenericResources: genericToWire(reservations.generic),
    }),
  };
}

/** Generic resources in Docker's JSON: what a task reserves or was given, or a node has. */
export function genericToWire(resources: readonly GenericResource[]): Record<string, unknown>[] {
  return resources.map((resource) =>
    "id" in resource
      ? { NamedResourceSpec: omitEmpty({ Kind: resource.kind, Value: resource.id }) }
      : { DiscreteResourceSpec: omitEmpty({ Kind: resource.kind, Value: resource.count }) },
  );
}
