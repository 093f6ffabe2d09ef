import { messageOf } from "../../lib/index.ts";
import {
  clusterToWire,
  infoToWire,
  type SwarmFacts,
  swarmHeader,
  swarmInfoToWire,
  versionToWire,
} from "../../wire/index.ts";
import type { Backends } from "../backends.ts";
import { type ApiRequest, type ApiResponse, json, type Route, text } from "../route.ts";
import { MAX_API_VERSION, MIN_API_VERSION } from "../versions.ts";

const NO_CACHE = { "Cache-Control": "no-cache, no-store, must-revalidate", Pragma: "no-cache" };

async function ping(_: ApiRequest, { swarm }: Backends): Promise<ApiResponse> {
  return text(200, "OK", { ...NO_CACHE, Swarm: swarmHeader(swarm.state()) });
}

async function version(_: ApiRequest, { system }: Backends): Promise<ApiResponse> {
  const facts = { apiVersion: MAX_API_VERSION, minApiVersion: MIN_API_VERSION };
  return json(200, versionToWire(await system.info(), facts));
}

async function info({ clock }: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const [facts, containers, images] = await Promise.all([
    backends.system.info(),
    backends.containers.list(),
    backends.images.list(),
  ]);
  const running = containers.filter((c) => c.status === "running").length;
  return json(
    200,
    infoToWire({
      info: facts,
      now: clock.now(),
      running,
      stopped: containers.length - running,
      images: images.length,
      swarm: swarmSection(backends),
    }),
  );
}

/** A manager that cannot tell says why in the section itself: `docker info` must always answer. */
function swarmSection(backends: Backends): Record<string, unknown> {
  const state = backends.swarm.state();
  if (!state.isManager) return swarmInfoToWire(state, undefined);
  try {
    return swarmInfoToWire(state, swarmFacts(backends));
  } catch (error) {
    return swarmInfoToWire({ ...state, error: state.error || messageOf(error) }, undefined);
  }
}

function swarmFacts(backends: Backends): SwarmFacts {
  const manager = backends.manager();
  const nodes = manager.nodes.list();
  return {
    nodes: nodes.length,
    managers: nodes.filter((node) => node.role === "manager").length,
    cluster: clusterToWire(manager.cluster.get()),
  };
}

/** The daemon itself. */
export const systemRoutes: readonly Route[] = [
  { method: "HEAD", path: "/_ping", handle: ping },
  { method: "GET", path: "/_ping", handle: ping },
  { method: "GET", path: "/version", handle: version },
  { method: "GET", path: "/info", handle: info },
];
