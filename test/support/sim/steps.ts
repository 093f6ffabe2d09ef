import { messageOf } from "../../../src/lib/index.ts";
import type { Manager } from "../../../src/manager/index.ts";
import type { Availability, Node, NodeSpec, Service, ServiceSpec } from "../../../src/model/index.ts";
import { formatDuration, parseDuration } from "./durations.ts";
import { editSpec, imagesIn, newSpec } from "./service-words.ts";
import type { SimCluster } from "./sim-cluster.ts";
import type { SimHost } from "./sim-host.ts";
import type { SimManager } from "./sim-manager.ts";

/** Something that happens to a world, in words: "crash n2", "update web: image web:2". */
export interface Step {
  readonly atMs: number;
  readonly text: string;
}

type Act = (world: SimCluster, ...groups: string[]) => void;

/** All that can happen, by the words for it. A fault with a time goes by itself when that is over. */
const ACTS: readonly (readonly [RegExp, Act])[] = [
  [/^create (\S+): (.*)$/, (world, name = "", words = "") => create(world, name, words)],
  [/^update (\S+): (.*)$/, (world, name = "", words = "") => update(world, name, words)],
  [/^rollback (\S+)$/, (world, name = "") => rollback(world, name)],
  [
    /^remove (\S+)$/,
    (world, name = "") =>
      world.command(
        () => undefined,
        (m) => m.services.remove(name),
      ),
  ],
  [
    /^(drain|pause|activate) node (\S+)$/,
    (world, verb = "", name = "") =>
      respec(world, name, (spec) => ({ ...spec, availability: AVAILABILITIES[verb] ?? "active" })),
  ],
  [
    /^label node (\S+) (\S+)=(\S+)$/,
    (world, name = "", key = "", value = "") =>
      respec(world, name, (spec) => ({ ...spec, labels: { ...spec.labels, [key]: value } })),
  ],
  [
    /^remove node (\S+)$/,
    (world, name = "") =>
      world.command(
        () => undefined,
        (m) => m.nodes.remove(name, false),
      ),
  ],
  [
    /^force out node (\S+)$/,
    (world, name = "") =>
      world.command(
        () => undefined,
        (m) => m.nodes.remove(name, true),
      ),
  ],
  [/^crash (n\d+)$/, (world, name = "") => void world.host(name).crash()],
  [/^crash (m\d+)$/, (world, name = "") => crashManager(world, world.manager(name))],
  [/^return (n\d+)$/, (world, name = "") => world.host(name).boot()],
  [/^return (m\d+)$/, (world, name = "") => void world.manager(name).start()],
  [
    /^kill agent (\S+) for (\S+)$/,
    (world, name = "", time = "") => killAgent(world, world.host(name), parseDuration(time)),
  ],
  [/^restart agent (\S+)$/, (world, name = "") => void restartAgent(world.host(name))],
  [
    /^stall (n\d+) for (\S+)$/,
    (world, name = "", time = "") => stallHost(world, world.host(name), parseDuration(time)),
  ],
  [
    /^stall (m\d+) for (\S+)$/,
    (world, name = "", time = "") => stallManager(world, world.manager(name), parseDuration(time)),
  ],
  [
    /^cut (\S+) and (\S+) for (\S+)$/,
    (world, a = "", b = "", time = "") => cut(world, a, b, ["up", "down"], time),
  ],
  [/^cut (n\d+) to (m\d+) for (\S+)$/, (world, a = "", b = "", time = "") => cut(world, a, b, ["up"], time)],
  [
    /^cut (m\d+) to (n\d+) for (\S+)$/,
    (world, a = "", b = "", time = "") => cut(world, b, a, ["down"], time),
  ],
  [/^lose a message of (\S+)$/, (world, name = "") => world.network.lose(name)],
  [/^lead (\S+)$/, (world, name = "") => void world.office.give(world.manager(name))],
  [
    /^store conflicts (\d+)$/,
    (world, n) => onStores(world, (m) => (m.backend.trouble.conflicts = Number(n))),
  ],
  [
    /^store answers lost (\d+)$/,
    (world, n) => onStores(world, (m) => (m.backend.trouble.lostAnswers = Number(n))),
  ],
  [/^store away for (\S+)$/, (world, time = "") => storeAway(world, world.managers, parseDuration(time))],
  [
    /^store away from (m\d+) for (\S+)$/,
    (world, name = "", time = "") => storeAway(world, [world.manager(name)], parseDuration(time)),
  ],
  [
    /^clock of (\S+) by (-?)(\S+)$/,
    (world, name = "", sign = "", time = "") =>
      setClock(world, name, parseDuration(time) * (sign === "-" ? -1 : 1)),
  ],
  [
    /^pulls take (\d+) times as long$/,
    (world, n) => {
      for (const host of world.hosts) host.pullFactor = Number(n);
    },
  ],
  [
    /^registry (away|back)$/,
    (world, how) => {
      for (const host of world.hosts) host.images.online = how === "back";
    },
  ],
  [/^end a task of (\S+) with (\d+)$/, (world, name = "", code) => void endTask(world, name, Number(code))],
  [
    /^run (\S+) on (n\d+) at (\S+)$/,
    (world, name = "", host = "", network = "") => void runByHand(world, world.host(host), name, network),
  ],
  [/^rm (\S+) on (n\d+)$/, (world, name = "", host = "") => world.host(host).guests.remove(name)],
  [/^heal$/, (world) => heal(world)],
];

const AVAILABILITIES: Readonly<Record<string, Availability>> = {
  drain: "drain",
  pause: "pause",
  activate: "active",
};

/** Does one step now. Throws on words that mean nothing. */
export function doStep(world: SimCluster, text: string): void {
  for (const [pattern, act] of ACTS) {
    const match = pattern.exec(text);
    if (match === null) continue;
    world.say(text);
    act(world, ...match.slice(1));
    return;
  }
  throw new Error(`no such thing can happen: "${text}"`);
}

/** "1m30s  crash n2". */
export function formatStep({ atMs, text }: Step): string {
  return `${formatDuration(atMs).padEnd(10)} ${text}`;
}

export function parseStep(line: string): Step {
  const match = /^(\S+)\s+(.*)$/.exec(line.trim());
  if (match === null) throw new Error(`"${line}" is no step, like "1m30s  crash n2"`);
  return { atMs: parseDuration(match[1] ?? ""), text: match[2] ?? "" };
}

/** Everything that can be made well is: hosts run, links are whole, the store answers. */
export function heal(world: SimCluster): void {
  for (const host of world.hosts) {
    host.resumeAgent();
    host.boot();
    host.startAgent();
    host.pullFactor = 1;
    host.images.online = true;
  }
  for (const manager of world.managers) {
    manager.resume();
    if (manager.isReady)
      Object.assign(manager.backend.trouble, { isAway: false, conflicts: 0, lostAnswers: 0 });
    else void manager.start();
  }
  world.network.healAll();
  world.office.open();
}

function publish(world: SimCluster, words: string): void {
  for (const image of imagesIn(words)) for (const host of world.hosts) host.publish(image);
}

function create(world: SimCluster, name: string, words: string): void {
  publish(world, words);
  const spec = newSpec(name, words);
  world.command(
    () => undefined,
    (manager) => manager.services.create(spec),
  );
}

/** As the CLI does: reads the service, changes its words, writes it back. */
function update(world: SimCluster, name: string, words: string): void {
  publish(world, words);
  const next = (service: Service): ServiceSpec => editSpec(service.spec, words);
  world.command(
    (manager) => wishFor(manager, name, next(manager.services.get(name))),
    (manager) => {
      const service = manager.services.get(name);
      return manager.services.update(name, service.version, next(service));
    },
  );
}

function rollback(world: SimCluster, name: string): void {
  world.command(
    (manager) => wishFor(manager, name, manager.services.get(name).previousSpec),
    (manager) => manager.services.rollback(name, manager.services.get(name).version),
  );
}

function wishFor(manager: Manager, name: string, spec: ServiceSpec | undefined) {
  if (spec === undefined) return undefined;
  return { kind: "service", id: manager.services.get(name).id, spec } as const;
}

function respec(world: SimCluster, name: string, edit: (spec: NodeSpec) => NodeSpec): void {
  const next = (node: Node): NodeSpec => edit(node.spec);
  world.command(
    (manager) => ({ kind: "node", id: name, spec: next(manager.nodes.get(name)) }),
    (manager) => {
      const node = manager.nodes.get(name);
      return manager.nodes.update(name, node.version, next(node));
    },
  );
}

function crashManager(world: SimCluster, manager: SimManager): void {
  if (!manager.isUp) return;
  const isLeader = world.office.leader === manager;
  manager.kill();
  world.network.died(manager.process, false);
  if (isLeader) void world.office.vacate();
}

function killAgent(world: SimCluster, host: SimHost, ms: number): void {
  host.killAgent();
  world.clock.after(ms, () => host.startAgent());
}

async function restartAgent(host: SimHost): Promise<void> {
  await host.stopAgent();
  host.startAgent();
}

function stallHost(world: SimCluster, host: SimHost, ms: number): void {
  host.pauseAgent();
  world.clock.after(ms, () => host.resumeAgent());
}

/** A lease is kept by a thread of its own: a manager that stands still goes on leading. */
function stallManager(world: SimCluster, manager: SimManager, ms: number): void {
  manager.pause();
  world.network.paused(manager.process);
  world.clock.after(ms, () => manager.resume());
}

function cut(
  world: SimCluster,
  node: string,
  manager: string,
  ways: readonly ("up" | "down")[],
  time: string,
): void {
  world.network.cut(node, manager, ways);
  world.clock.after(parseDuration(time), () => world.network.heal(node, manager));
}

function onStores(world: SimCluster, fn: (manager: SimManager) => unknown): void {
  for (const manager of world.managers) if (manager.isReady) fn(manager);
}

/** Longer than a lease lasts. */
const LEASE_MS = 3_000;

function storeAway(world: SimCluster, managers: readonly SimManager[], ms: number): void {
  const far = managers.filter((manager) => manager.isReady);
  for (const { backend } of far) backend.trouble.isAway = true;
  const isAll = managers.length === world.managers.length;
  world.clock.after(LEASE_MS, () => {
    if (isAll && ms > LEASE_MS) void world.office.close();
    else if (ms > LEASE_MS && far.some((each) => each === world.office.leader)) void world.office.vacate();
  });
  world.clock.after(ms, () => {
    for (const each of far) if (each.isReady) each.backend.trouble.isAway = false;
    if (isAll) world.office.open();
  });
}

function setClock(world: SimCluster, name: string, ms: number): void {
  const machine = name.startsWith("m") ? world.manager(name) : world.host(name);
  machine.ahead += ms;
  world.clocksSetAt = world.clock.now();
}

/** A container made by hand; without a manager that answers it comes to nothing. */
async function runByHand(world: SimCluster, host: SimHost, name: string, network: string): Promise<void> {
  if (host.agent === undefined) return;
  const refusal = await host.guests.run(name, `net-${network}`, new AbortController().signal);
  if (refusal !== undefined) world.say(`${name} on ${host.name}: ${refusal}`);
}

/** The process of one of the service's running tasks ends. */
async function endTask(world: SimCluster, name: string, exitCode: number): Promise<void> {
  for (const host of world.hosts) {
    const all = await host.containers.list({ "com.docker.swarm.service.name": name });
    const running = all.find(({ status }) => status === "running");
    if (running === undefined) continue;
    host.containers.exit(running.id, exitCode);
    return;
  }
  world.say(messageOf(new Error("none runs")));
}
