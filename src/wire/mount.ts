import { z } from "zod";
import type { Mount } from "../model/index.ts";
import {
  dict,
  flag,
  goStruct,
  listOf,
  maybe,
  natural,
  omitEmpty,
  oneOf,
  text,
  unserved,
  whole,
} from "./json.ts";

const BIND_REFUSAL =
  "cannot use this bind option: only the propagation of a bind mount can be chosen so far (Mounts.BindOptions)";
const TYPE_REFUSAL = "volumes, binds and tmpfs are the mounts that are served so far";

const SERVED = ["bind", "volume", "tmpfs"] as const;
const UNSERVED = ["npipe", "cluster", "image"];

const mountType = text.transform((value, context) => {
  const served = SERVED.find((type) => type === (value || "bind"));
  if (served !== undefined) return served;
  const unsupported = UNSERVED.includes(value);
  const message = unsupported
    ? `cannot mount type=${value}: ${TYPE_REFUSAL}`
    : `invalid MountType: "${value}"`;
  context.issues.push({ code: "custom", message, input: value, params: { unsupported } });
  return z.NEVER;
});

const PROPAGATIONS = ["", "rprivate", "private", "rshared", "shared", "rslave", "slave"] as const;
/** Consistency means something to Docker Desktop only; on Linux it is read and dropped. */
const CONSISTENCIES = ["default", "consistent", "cached", "delegated"] as const;

/** One entry of `ContainerSpec.Mounts`, as model's Mount. */
export const mountSchema: z.ZodType<Mount> = goStruct({
  Type: mountType,
  Source: text,
  Target: text,
  ReadOnly: flag,
  Consistency: oneOf("mount consistency", CONSISTENCIES, "default"),
  BindOptions: maybe(
    goStruct({
      Propagation: oneOf("MountPropagation", PROPAGATIONS, ""),
      NonRecursive: unserved(BIND_REFUSAL),
      CreateMountpoint: unserved(BIND_REFUSAL),
      ReadOnlyNonRecursive: unserved(BIND_REFUSAL),
      ReadOnlyForceRecursive: unserved(BIND_REFUSAL),
    }),
  ),
  VolumeOptions: maybe(
    goStruct({
      NoCopy: flag,
      Labels: dict,
      Subpath: text,
      DriverConfig: maybe(goStruct({ Name: text, Options: dict })),
    }),
  ),
  ImageOptions: unserved(`cannot mount an image: ${TYPE_REFUSAL}`),
  TmpfsOptions: maybe(
    goStruct({
      SizeBytes: natural,
      Mode: whole,
      Options: unserved("cannot use tmpfs options: only size and mode can be chosen so far"),
    }),
  ),
  ClusterOptions: unserved(`cannot mount a cluster volume: ${TYPE_REFUSAL}`),
}).transform((wire): Mount => {
  const base = { source: wire.Source, target: wire.Target, readOnly: wire.ReadOnly };
  switch (wire.Type) {
    case "bind": {
      const propagation = wire.BindOptions?.Propagation;
      return { ...base, type: "bind", ...(propagation && { propagation }) };
    }
    case "tmpfs": {
      const { SizeBytes: sizeBytes = 0, Mode: mode = 0 } = wire.TmpfsOptions ?? {};
      return { ...base, type: "tmpfs", ...(sizeBytes > 0 && { sizeBytes }), ...(mode !== 0 && { mode }) };
    }
    case "volume":
      return {
        ...base,
        type: "volume",
        noCopy: wire.VolumeOptions?.NoCopy ?? false,
        labels: wire.VolumeOptions?.Labels ?? {},
        driver: wire.VolumeOptions?.DriverConfig?.Name ?? "",
        driverOptions: wire.VolumeOptions?.DriverConfig?.Options ?? {},
        ...(wire.VolumeOptions?.Subpath && { subpath: wire.VolumeOptions.Subpath }),
      };
  }
});

export const mountsSchema: z.ZodType<Mount[]> = listOf(mountSchema);

/** A mount in Docker's JSON. */
export function mountToWire(mount: Mount): Record<string, unknown> {
  return omitEmpty({
    Type: mount.type,
    Source: mount.source,
    Target: mount.target,
    ReadOnly: mount.readOnly,
    ...optionsToWire(mount),
  });
}

function optionsToWire(mount: Mount): Record<string, unknown> {
  switch (mount.type) {
    case "bind":
      return { BindOptions: omitEmpty({ Propagation: mount.propagation }) };
    case "tmpfs":
      return { TmpfsOptions: omitEmpty({ SizeBytes: mount.sizeBytes, Mode: mount.mode }) };
    case "volume": {
      const driver = omitEmpty({ Name: mount.driver, Options: mount.driverOptions });
      return {
        VolumeOptions: omitEmpty({
          NoCopy: mount.noCopy,
          Labels: mount.labels,
          DriverConfig: driver,
          Subpath: mount.subpath,
        }),
      };
    }
  }
}
