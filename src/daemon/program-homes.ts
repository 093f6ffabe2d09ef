import type { ProgramHomes } from "../engine/index.ts";
import type { Containers } from "../runtime/index.ts";
import type { ContainerPlaces } from "./container-places.ts";

const never = new AbortController().signal;

/** Where programs of `docker exec` run: in this node's containers, and on a manager in those of tasks on other nodes. */
export function programHomes(
  containers: Pick<Containers, "get" | "streams">,
  places: ContainerPlaces,
): ProgramHomes {
  return {
    async get(id) {
      const here = await containers.get(id);
      if (here !== undefined) return here;
      const task = places.taskOf(id);
      if (task === undefined) return undefined;
      const { status, isPaused } = await places.visits().look(task.id, never);
      return { status, paused: isPaused };
    },
    async open(id, config, { io, signal }) {
      const task = (await containers.get(id)) === undefined ? places.taskOf(id) : undefined;
      if (task === undefined) return containers.streams.open(id, config, io);
      const order = { ...config, env: config.env ?? [] };
      return places.visits().run(task.id, order, { io, signal });
    },
  };
}
