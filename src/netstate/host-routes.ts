import type { Namespace } from "./node-network.ts";

/** Addresses that have a route of their own: tasks and nodes. */
export function hostRoutes({ routes }: Pick<Namespace, "routes">): Set<string> {
  return new Set(routes.flatMap((route) => /^(.*)\/(?:32|128)$/.exec(route.destination)?.[1] ?? []));
}
