/**
 * api: the Engine API: HTTP on a socket, routes in tables, Docker's statuses and words, streams with back-pressure.
 * It never decides anything about the cluster: everything behind it comes in as Backends.
 */
export type * from "./backends.ts";
export * from "./route.ts";
export { ApiServer, type ApiServerOptions, type ApiTls } from "./server.ts";
