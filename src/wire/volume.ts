import type { VolumeInfo } from "../model/index.ts";
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
