import type { VolumeBackend } from "../api/index.ts";
import { Fault } from "../lib/index.ts";
import type { Containers, Volumes } from "../runtime/index.ts";
import type { EventHub } from "./event-hub.ts";

export interface VolumeBackendParts {
  readonly volumes: Volumes;
  readonly containers: Containers;
  readonly events: EventHub;
}

/** runtime's volumes as the API asks for them, with their events. */
export function volumeBackend({ volumes, containers, events }: VolumeBackendParts): VolumeBackend {
  const tell = (action: string, name: string) =>
    events.publish({ type: "volume", action, scope: "local", actor: name, attributes: { driver: "local" } });
  return {
    list: () => volumes.list(),
    bytesOf: (name) => volumes.bytesOf(name),
    async get(name) {
      const volume = await volumes.get(name);
      if (volume === undefined) throw new Fault("not-found", `get ${name}: no such volume`);
      return volume;
    },
    async create(wanted) {
      const isNew = wanted.name === "" || (await volumes.get(wanted.name)) === undefined;
      const volume = await volumes.create(wanted);
      if (isNew) tell("create", volume.name);
      return volume;
    },
    async remove(name, force) {
      await volumes.remove(name, { force, usedBy: await usersOf(containers, name) });
      tell("destroy", name);
    },
  };
}

async function usersOf(containers: Containers, volume: string): Promise<string[]> {
  const all = await containers.list();
  return all.filter((c) => c.mounts.some((m) => m.type === "volume" && m.name === volume)).map((c) => c.id);
}
