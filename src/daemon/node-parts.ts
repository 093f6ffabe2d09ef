import type { VisitDoor } from "../agent/index.ts";
import type { Kernel } from "../kernel/index.ts";
import type { Clock, Log, Random } from "../lib/index.ts";
import type { Containers, Images } from "../runtime/index.ts";
import type { Config } from "./config.ts";
import type { EventHub } from "./event-hub.ts";
import type { NodeNetworkParts } from "./node-network.ts";

/** What a membership in a swarm works with: the parts of shoald that live as long as the process. */
export interface NodeParts {
  readonly config: Config;
  readonly version: string;
  readonly containers: Containers;
  readonly images: Images;
  readonly kernel: Kernel;
  readonly network: NodeNetworkParts;
  readonly netnsDir: string;
  readonly events: EventHub;
  /** What managers' users see of this node's containers. */
  readonly looks: Pick<VisitDoor, "look" | "processes">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}
