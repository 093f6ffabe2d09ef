import type { Route } from "../route.ts";
import { systemRoutes } from "./system.ts";

/** Every route that is served. */
export const allRoutes: readonly Route[] = [...systemRoutes];
