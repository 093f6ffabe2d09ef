import type { ContainerBackend, ContainerInfo, EngineEvent } from "../api/index.ts";
import type { NetworkFacts } from "../dataplane/index.ts";
import type { Engine, Programs } from "../engine/index.ts";
import { Fault } from "../lib/index.ts";
import { type ContainerUsage, modeOfPeer, peerOf, type RunSpec } from "../model/index.ts";
import type { ContainerEvent, ContainerState, Containers } from "../runtime/index.ts";
import { containerNetworks, HOST_PLACE } from "./container-networks.ts";
import { type ContainerPlaces, idAt, requireContainer, TASK_ID_LABEL } from "./container-places.ts";
import type { EventHub } from "./event-hub.ts";
import { listProcesses } from "./process-list.ts";
import { treeBackend } from "./tree-backend.ts";

export interface ContainerBackendParts {
  readonly containers: Containers;
  /** Those made by hand. */
  readonly engine: Engine;
  readonly programs: Programs;
  /** Where the others are. */
  readonly places: ContainerPlaces;
  /** Of all that runs in a container. */
  pidsOf(id: string): Promise<number[]>;
  usageOf(state: ContainerState): Promise<ContainerUsage>;
  /** What the node's network is built from now. */
  facts(): NetworkFacts | undefined;
}

/** runtime's containers as the API asks for them: found by any name, with their places on networks. */
export function containerBackend({
  containers,
  engine,
  programs,
  places,
  pidsOf,
  usageOf,
  facts,
}: ContainerBackendParts): ContainerBackend {
  const info = (state: ContainerState): ContainerInfo => {
    const known = facts();
    const sandbox = state.labels[TASK_ID_LABEL] ?? state.id;
    const row = known?.tasks.find((t) => t.taskId === sandbox);
    const record = engine.recordOf(state.id);
    const asked = record && { words: record.networks, networkMode: record.spec.networkMode };
    const networks =
      state.config.netns === undefined ? [HOST_PLACE] : containerNetworks({ facts: known, row, ...asked });
    const run = record && { ...record, isRestarting: engine.isRestarting(state.id) };
    return { ...state, networks, hostPorts: row?.hostPorts ?? [], ...(run !== undefined && { run }) };
  };
  const idOf = async (ref: string) => requireContainer(await containers.list(), ref).id;
  return {
    list: async () => (await containers.list()).map(info),
    get: async (ref) => info(requireContainer(await containers.list(), ref)),
    async locate(ref) {
      const place = await places.locate(ref);
      if (place.kind === "elsewhere") return { ...place, inspect: (signal) => places.inspect(place, signal) };
      const { task } = place;
      return { kind: "here", container: info(place.state), ...(task !== undefined && { task }) };
    },
    bytesOf: (id) => containers.bytesOf(id),
    logs: (id, options, signal) => containers.logs(id, options, signal),
    create: async (spec, name) => engine.create(await withPeer(spec, idOf), name),
    start: async (ref) => engine.start(await idOf(ref)),
    stop: async (ref, how) => engine.stop(await idOf(ref), how),
    restart: async (ref, how) => engine.restart(await idOf(ref), how),
    kill: async (ref, signal) => engine.kill(await idOf(ref), signal),
    pause: async (ref) => engine.pause(await idOf(ref)),
    async top(ref, args, signal) {
      const place = await places.locate(ref);
      if (place.kind === "elsewhere") return places.processes(place, args, signal);
      return listProcesses(await pidsOf(place.state.id), args, signal);
    },
    async usage(id) {
      const state = await containers.get(id);
      if (state === undefined) throw new Fault("not-found", `No such container: ${id}`);
      return usageOf(state);
    },
    unpause: async (ref) => engine.unpause(await idOf(ref)),
    rename: async (ref, name) => engine.rename(await idOf(ref), name),
    update: async (ref, change) => engine.update(await idOf(ref), change),
    remove: async (ref, how) => engine.remove(await idOf(ref), how),
    attach: (id, io, signal) => containers.streams.attach(id, io, signal),
    resize: async (ref, size) => containers.streams.resize(await idOf(ref), size),
    programs: {
      create: async (ref, words) => programs.create(idAt(await places.locate(ref)), words),
      require: (id) => programs.require(id),
      start: (id, io, how) => programs.start(id, io, how),
      resize: (id, size) => programs.resize(id, size),
    },
    trees: treeBackend(containers, idOf),
    wait: async (ref, condition, signal) => engine.wait(await idOf(ref), condition, signal),
  };
}

/** The container whose network it shares is known by its id: that keeps another from taking its name. */
async function withPeer(spec: RunSpec, idOf: (ref: string) => Promise<string>): Promise<RunSpec> {
  const peer = peerOf(spec.networkMode);
  return peer === undefined ? spec : { ...spec, networkMode: modeOfPeer(await idOf(peer)) };
}

/** Tells the hub of what happens to containers; returns how to stop. */
export function tellContainerEvents(containers: Containers, events: EventHub): () => void {
  return containers.subscribe((event) => events.publish(eventOf(event)));
}

function eventOf(event: ContainerEvent): Omit<EngineEvent, "at"> {
  const { action, container, exec, details } = event;
  const { id, image, name, labels } = container;
  const exitCode = action === "die" ? container.exitCode : exec?.exitCode;
  return {
    type: "container",
    action: actionOf(event),
    scope: "local",
    actor: id,
    attributes: {
      ...labels,
      ...(exec !== undefined && { execID: exec.id }),
      ...details,
      ...(exitCode !== undefined && { exitCode: String(exitCode) }),
      ...{ image, name },
    },
  };
}

/** Docker's word, with what is said in it: "health_status: healthy", "exec_create: /bin/sh -c true". */
function actionOf({ action, container, exec }: ContainerEvent): string {
  if (action === "health_status") return `${action}: ${container.health?.status ?? "none"}`;
  if (action === "exec_create" || action === "exec_start") return `${action}: ${exec?.args.join(" ") ?? ""}`;
  return action;
}
