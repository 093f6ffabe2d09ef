import type { Backends } from "../api/index.ts";
import { containerInspect } from "../wire/index.ts";
import type { NodeParts } from "./node-parts.ts";

/** What managers' users see of this node's containers: what this node's own users do. */
export function containerLooks(backends: () => Pick<Backends, "containers" | "images">): NodeParts["looks"] {
  return {
    async look(id) {
      const { containers, images } = backends();
      const container = await containers.get(id);
      const image = (await images.list()).find((each) => each.id === container.imageId);
      const json = JSON.stringify(containerInspect(container, image));
      return { status: container.status, isPaused: container.paused ?? false, json };
    },
    processes: (id, args, signal) => backends().containers.top(id, args, signal),
  };
}
