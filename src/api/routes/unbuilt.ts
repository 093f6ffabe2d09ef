import { Fault } from "../../lib/index.ts";
import { json, type Route } from "../route.ts";

/** What Docker has and Shoal has not yet: a clear 501 instead of a 404. */
const ROWS: readonly (readonly [method: Route["method"], path: string, what: string, why?: string])[] = [
  ["GET", "/containers/:id/attach/ws", "attaching to a container"],
  ["GET", "/images/search", "searching a registry"],
  ["POST", "/build", "building images"],
  ["POST", "/build/prune", "building images"],
  ["POST", "/session", "building images"],
  ["POST", "/grpc", "building images"],
  ["POST", "/commit", "making an image of a container"],
];

/** There are no plugins, which is a list too: `docker plugin ls`. */
const plugins: Route = { method: "GET", path: "/plugins", handle: async () => json(200, []) };

const refusals: readonly Route[] = ROWS.map(([method, path, what, why]) => ({
  method,
  path,
  handle: async () => {
    throw new Fault("unsupported", `${what} is not supported yet${why === undefined ? "" : `: ${why}`}`);
  },
}));

export const unbuiltRoutes: readonly Route[] = [plugins, ...refusals];
