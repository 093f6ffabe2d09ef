import { Fault } from "../../lib/index.ts";
import type { Backends } from "../backends.ts";
import { type ApiRequest, type ApiResponse, json, type Route } from "../route.ts";

async function explain({ query }: ApiRequest, { trace }: Backends): Promise<ApiResponse> {
  const [client, destination, by] = ["client", "to", "by"].map((name) => query.get(name) ?? "");
  if (!client || !destination) throw new Fault("invalid", "cannot trace: say client and to");
  return json(200, await trace.explain({ client, destination, ...(by && { by }) }));
}

/** Shoal's own, for `shoal trace`: Docker has nothing like it. */
export const traceRoutes: readonly Route[] = [{ method: "GET", path: "/shoal/trace", handle: explain }];
