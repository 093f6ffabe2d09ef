/**
 * engine: containers made by hand (`docker run`), as against tasks. It knows no cluster.
 */
export type * from "./networks.ts";
