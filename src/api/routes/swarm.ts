import { Fault } from "../../lib/index.ts";
import { clusterSpecFromWire, initFromWire, joinFromWire, swarmInspectToWire } from "../../wire/index.ts";
import type { Backends } from "../backends.ts";
import { versionOf } from "../query.ts";
import { type ApiRequest, type ApiResponse, empty, flag, json, type Route } from "../route.ts";
import { updateBody } from "../update-body.ts";

async function init(request: ApiRequest, { swarm }: Backends): Promise<ApiResponse> {
  return json(200, await swarm.init(initFromWire(await request.json())));
}

async function join(request: ApiRequest, { swarm }: Backends): Promise<ApiResponse> {
  await swarm.join(joinFromWire(await request.json()));
  return empty(200);
}

async function leave({ query }: ApiRequest, { swarm }: Backends): Promise<ApiResponse> {
  await swarm.leave(flag(query, "force"));
  return empty(200);
}

const NO_TOKENS = { worker: "", manager: "" };

async function inspect({ looksOnly }: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const manager = backends.manager();
  const tokens = looksOnly ? NO_TOKENS : manager.joinTokens();
  return json(200, swarmInspectToWire(manager.cluster.get(), tokens));
}

async function update(request: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const { query } = request;
  const manager = backends.manager();
  const version = versionOf(query, "swarm");
  if (flag(query, "rotateManagerUnlockKey")) {
    throw new Fault("unsupported", "cannot rotate the unlock key: --autolock is not supported yet");
  }
  const spec = clusterSpecFromWire(await updateBody(request));
  const rotate = {
    worker: flag(query, "rotateWorkerToken"),
    manager: flag(query, "rotateManagerToken"),
  };
  await manager.cluster.update(version, spec, rotate);
  return empty(200);
}

/** Managers do not lock themselves yet, and an empty key is Docker's answer for that. */
async function unlockKey(_: ApiRequest, backends: Backends): Promise<ApiResponse> {
  backends.manager();
  return json(200, { UnlockKey: "" });
}

async function unlock(_: ApiRequest, { swarm }: Backends): Promise<ApiResponse> {
  if (swarm.state().state === "inactive") throw new Fault("unavailable", "This node is not part of a swarm");
  throw new Fault("conflict", "swarm is not locked");
}

/** This node's membership, and the cluster as a whole. */
export const swarmRoutes: readonly Route[] = [
  { method: "POST", path: "/swarm/init", handle: init },
  { method: "POST", path: "/swarm/join", handle: join },
  { method: "POST", path: "/swarm/leave", handle: leave },
  { method: "GET", path: "/swarm", handle: inspect },
  { method: "POST", path: "/swarm/update", handle: update },
  { method: "GET", path: "/swarm/unlockkey", handle: unlockKey },
  { method: "POST", path: "/swarm/unlock", handle: unlock },
];
