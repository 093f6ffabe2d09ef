import type { Route } from "../route.ts";
import { archiveRoutes } from "./archive.ts";
import { authRoutes } from "./auth.ts";
import { containerLifeRoutes } from "./container-life.ts";
import { containerStatsRoutes } from "./container-stats.ts";
import { containerRoutes } from "./containers.ts";
import { diskUsageRoutes } from "./disk-usage.ts";
import { eventRoutes } from "./events.ts";
import { imageRoutes } from "./images.ts";
import { networkRoutes } from "./networks.ts";
import { nodeRoutes } from "./nodes.ts";
import { secretRoutes } from "./secrets.ts";
import { serviceRoutes } from "./services.ts";
import { streamRoutes } from "./streams.ts";
import { swarmRoutes } from "./swarm.ts";
import { systemRoutes } from "./system.ts";
import { taskRoutes } from "./tasks.ts";
import { traceRoutes } from "./trace.ts";
import { unbuiltRoutes } from "./unbuilt.ts";
import { volumeRoutes } from "./volumes.ts";

/** Every route that is served. */
export const allRoutes: readonly Route[] = [
  ...systemRoutes,
  ...swarmRoutes,
  ...nodeRoutes,
  ...serviceRoutes,
  ...taskRoutes,
  ...networkRoutes,
  ...secretRoutes,
  ...containerRoutes,
  ...containerLifeRoutes,
  ...containerStatsRoutes,
  ...streamRoutes,
  ...archiveRoutes,
  ...imageRoutes,
  ...authRoutes,
  ...volumeRoutes,
  ...diskUsageRoutes,
  ...eventRoutes,
  ...traceRoutes,
  ...unbuiltRoutes,
];
