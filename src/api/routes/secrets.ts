import { Fault } from "../../lib/index.ts";
import { parseFilters } from "../../wire/index.ts";
import { json, param, type Route } from "../route.ts";

/**
 * There are no secrets and configs yet, and none can be made. That is what these routes say, so that clients which
 * look through all kinds of objects (`docker inspect`, `docker stack rm`) go on to the next.
 */
function emptyKind(kind: "secret" | "config"): Route[] {
  const absent: Route["handle"] = async (request, backends) => {
    backends.manager();
    throw new Fault("not-found", `${kind} ${param(request, "id")} not found`);
  };
  return [
    {
      method: "GET",
      path: `/${kind}s`,
      handle: async ({ query }, backends) => {
        backends.manager();
        parseFilters(query.get("filters"), ["id", "label", "name", "names"]);
        return json(200, []);
      },
    },
    {
      method: "POST",
      path: `/${kind}s/create`,
      handle: async (_, backends) => {
        backends.manager();
        throw new Fault("unsupported", `cannot create a ${kind}: ${kind}s are not supported yet`);
      },
    },
    { method: "GET", path: `/${kind}s/:id`, handle: absent },
    { method: "DELETE", path: `/${kind}s/:id`, handle: absent },
    { method: "POST", path: `/${kind}s/:id/update`, handle: absent },
  ];
}

/** Secrets and configs. */
export const secretRoutes: readonly Route[] = [...emptyKind("secret"), ...emptyKind("config")];
