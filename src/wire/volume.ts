import type { VolumeInfo } from "../model/index.ts";
import { dict, goStruct, readJson, text, unserved } from "./json.ts";
import { formatTime } from "./time.ts";

/** A volume in GET /volumes and its like. */
export function volumeToWire(volume: VolumeInfo): Record<string, unknown> {
  return {
    CreatedAt: formatTime(Math.floor(volume.createdAt / 1000) * 1000),
    Driver: volume.driver,
    Labels: Object.keys(volume.labels).length > 0 ? volume.labels : null,
    Mountpoint: volume.path,
    Name: volume.name,
    Options: Object.keys(volume.options).length > 0 ? volume.options : null,
    Scope: "local",
  };
}

/** What POST /volumes/create asks for; an empty name asks for an anonymous volume. */
export interface VolumeRequest {
  readonly name: string;
  readonly driver: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
}

const VOLUME_REQUEST = goStruct({
  Name: text,
  Driver: text,
  DriverOpts: dict,
  Labels: dict,
  ClusterVolumeSpec: unserved("cluster volumes are not supported"),
});

export function readVolumeRequest(body: unknown): VolumeRequest {
  const { Name, Driver, DriverOpts, Labels } = readJson(VOLUME_REQUEST, body, "volume");
  return { name: Name, driver: Driver === "" ? "local" : Driver, labels: Labels, options: DriverOpts };
}
