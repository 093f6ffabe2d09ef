import { Fault } from "../lib/index.ts";
import type { Route } from "./route.ts";

/**
 * What gives away more than how things are: files of containers and images, keys. By the routes' own patterns, since a path can be spelled
 * in many ways.
 */
const CONTENTS: ReadonlySet<string> = new Set([
  "/containers/:id/archive",
  "/containers/:id/attach/ws",
  "/containers/:id/export",
  "/images/get",
  "/swarm/unlockkey",
]);

/** For an address that serves tools which only look: refuses all that changes anything, and contents. Fault "forbidden". */
export function checkLooksOnly(
  { method, path }: Pick<Route, "method" | "path">,
  params: Readonly<Record<string, string>>,
): void {
  const isLooking = method === "GET" || method === "HEAD";
  const isSaving = path === "/images/*" && params["*"]?.endsWith("/get");
  if (isLooking && !isSaving && !CONTENTS.has(path)) return;
  throw new Fault("forbidden", `cannot ${method} ${path}: this address is read-only`);
}
