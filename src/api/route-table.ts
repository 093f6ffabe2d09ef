import findMyWay, { type HTTPMethod, type HTTPVersion, type Instance } from "find-my-way";
import type { Route } from "./route.ts";

export interface FoundRoute {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/** Finds the route of a method and an encoded path. */
export class RouteTable {
  readonly #router: Instance<HTTPVersion.V1>;

  constructor(routes: readonly Route[]) {
    this.#router = findMyWay({ maxParamLength: 4096 });
    for (const route of routes) this.#router.on(route.method, route.path, () => {}, route);
  }

  find(method: string, path: string): FoundRoute | undefined {
    const found = this.#router.find(method as HTTPMethod, path);
    // find-my-way answers a path it cannot decode with a handler of its own and no store.
    if (!found?.store) return undefined;
    const route: Route = found.store;
    const pairs = Object.entries(found.params).map(([name, value]) => [name, value ?? ""] as const);
    return { route, params: Object.fromEntries(pairs) };
  }
}
