import { join } from "node:path";
import type { Backends, ImageBackend } from "../api/index.ts";
import { gatewayLayout } from "../dataplane/index.ts";
import { Engine, Programs, RunFolder } from "../engine/index.ts";
import { ThreadKernel } from "../kernel/index.ts";
import { type Log, runGroup } from "../lib/index.ts";
import { RegistryClient } from "../registry/index.ts";
import {
  ContainerdContainers,
  ContainerdImages,
  ImageCollector,
  ImageUses,
  LocalVolumes,
  SystemMounter,
} from "../runtime/index.ts";
import { systemClock as clock, systemRandom as random } from "../sys/index.ts";
import { apiDoors } from "./api-doors.ts";
import { checkMachine, claimData } from "./checks.ts";
import type { Config } from "./config.ts";
import { containerBackend, tellContainerEvents } from "./container-backend.ts";
import { containerLooks } from "./container-looks.ts";
import { ContainerPlaces } from "./container-places.ts";
import { usageOf } from "./container-usage.ts";
import { EventHub } from "./event-hub.ts";
import { HealthDoor } from "./health-door.ts";
import { imageBackend } from "./image-backend.ts";
import { JournalFile } from "./journal-file.ts";
import { localNetworks, networkEvent } from "./local-networks.ts";
import { managerBackend } from "./manager-backend.ts";
import { Membership } from "./membership.ts";
import { makeNodeNetwork } from "./node-network.ts";
import type { NodeParts } from "./node-parts.ts";
import { NodeStateFile } from "./node-state.ts";
import { programHomes } from "./program-homes.ts";
import { engineId, SystemFacts } from "./system-facts.ts";
import { traceBackend } from "./trace-backend.ts";
import { volumeBackend } from "./volume-backend.ts";

interface OpenParts extends Omit<NodeParts, "looks"> {
  readonly containers: ContainerdContainers;
  readonly images: ContainerdImages;
  readonly kernel: ThreadKernel;
  readonly registry: RegistryClient;
  readonly uses: ImageUses;
  readonly volumes: LocalVolumes;
}

/**
 * Runs shoald until the signal aborts: the one place where its parts are made and joined.
 * Faults say what to do where it cannot start: not root, no containerd, a taken socket.
 */
export async function runDaemon(
  config: Config,
  version: string,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  await checkMachine(config);
  claimData(config["data-root"]);
  const { registry, volumes, uses, ...parts } = await openParts(config, version, log);
  const { containers, images, kernel, network, events } = parts;
  const looks = containerLooks(() => backends);
  const membership = new Membership({ ...parts, looks });
  const facts = () => membership.facts();
  const engine = makeEngine(parts);
  const places = new ContainerPlaces(containers, () => membership.managing);
  const programs = new Programs({ homes: programHomes(containers, places), clock, random });
  const imageDoor = imageBackend({ images, containers, registry, events });
  const collector = makeCollector(parts, uses, imageDoor);
  const backends: Backends = {
    system: new SystemFacts(config, { id: engineId(config["data-root"], random), version }, clock),
    swarm: membership,
    manager: () => managerBackend(membership),
    networks: localNetworks({ config, network, engine, facts, events }),
    containers: containerBackend({
      pidsOf: (id) => containers.pids(id),
      usageOf: (state) => usageOf(state, clock.now()),
      containers,
      engine,
      programs,
      places,
      facts: () => network.applier.facts(),
    }),
    images: imageDoor,
    volumes: volumeBackend({ volumes, containers, events }),
    events,
    trace: traceBackend({ membership, network: network.applier, containers, kernel }),
  };
  const doors = apiDoors(config, { backends, clock, log, version, group: config.group });
  const health = new HealthDoor((port) => membership.readiness(port));
  const untell = tellContainerEvents(containers, events);
  try {
    for (const { server, where } of doors) await server.listen(where);
    if (config["health-addr"] !== undefined) await health.listen(config["health-addr"]);
    log.info("shoald serves", { api: doors.map(({ where }) => where).join(" "), version });
    const serving = doors.map(
      ({ server }) =>
        (s: AbortSignal) =>
          server.run(s),
    );
    await engine.adopt();
    const loops = [kernel, network, engine, membership, collector].map(
      (loop) => (s: AbortSignal) => loop.run(s),
    );
    await runGroup([...loops, ...serving], signal);
  } finally {
    untell();
    health.close();
    await containers.close();
    images.close();
    await registry.close();
    await kernel.close();
    log.info("shoald stopped");
  }
}

/** Removes as the API does, so that it is told. */
function makeCollector(
  { config, images, containers, log }: Pick<OpenParts, "config" | "images" | "containers" | "log">,
  uses: ImageUses,
  door: ImageBackend,
): ImageCollector {
  return new ImageCollector({
    ...{ images, containers, uses, clock, log },
    limits: { unusedMs: config["image-gc-age"], disk: config["image-gc-disk"] },
    disk: () => images.disk(),
    remove: (ref) => door.remove(ref, false),
  });
}

function makeEngine({ config, containers, images, network, log }: Omit<NodeParts, "looks">): Engine {
  const { upstreams: nameservers, search } = network.dns;
  return new Engine({
    ...{ containers, images, clock, random, log },
    networks: network.sandboxes,
    saved: new RunFolder(join(config["data-root"], "engine"), log),
    host: {
      name: config.hostname,
      gateway: gatewayLayout(config["gateway-subnet"]).bridge,
      dns: { nameservers, search },
    },
  });
}

/** What lives as long as the process, nothing of it at work yet. */
async function openParts(config: Config, version: string, log: Log): Promise<OpenParts> {
  const dataRoot = config["data-root"];
  const netnsDir = join(config["exec-root"], "netns");
  const address = { socket: config.containerd, namespace: config["containerd-namespace"] };
  const events = new EventHub(clock, new JournalFile(join(dataRoot, "events.jsonl"), log));
  const registry = new RegistryClient({
    mirrors: config["registry-mirrors"],
    insecureRegistries: config["insecure-registries"],
    log,
    clock,
  });
  const uses = new ImageUses(join(dataRoot, "image-uses.json"), log);
  const onUse = (id: string) => uses.note(id, clock.now());
  const images = new ContainerdImages({ address, registry, log, clock, random, onUse });
  const volumes = await LocalVolumes.open({
    ...{ dir: join(dataRoot, "volumes"), clock, random, log },
    mounter: new SystemMounter(config["exec-root"], clock),
  });
  const containers = await ContainerdContainers.open({
    address,
    images,
    volumes,
    dataDir: join(dataRoot, "containers"),
    runDir: join(config["exec-root"], "containers"),
    clock,
    random,
    log,
  });
  const kernel = new ThreadKernel({ tag: config["kernel-tag"], netnsDir, log });
  const isMember = new NodeStateFile(dataRoot).exists();
  const network = await makeNodeNetwork({
    ...{ config, kernel, netnsDir, clock, random, log },
    waitsFor: isMember ? ["engine", "cluster"] : ["engine"],
    onChange: (action, of, container) => events.publish(networkEvent(action, of, { container })),
  });
  return {
    ...{ config, version, containers, images, kernel, network, netnsDir, events, registry, volumes, uses },
    ...{ clock, random, log },
  };
}
