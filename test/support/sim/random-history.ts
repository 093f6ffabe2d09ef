import { Chance } from "./chance.ts";
import { formatDuration } from "./durations.ts";
import type { History } from "./scenario.ts";
import type { Step } from "./steps.ts";

const NODES = 4;
const MANAGERS = 3;
/** What happens comes so far apart on average. */
const PAUSE_MS = 120_000;
const NAMES = ["web", "api", "db", "agent", "batch"];

interface Plan {
  readonly chance: Chance;
  /** Services that exist, as far as the history knows. */
  readonly services: Set<string>;
  /** Machines that are off. */
  readonly off: Set<string>;
  /** Machines whose node was removed. */
  readonly gone: Set<string>;
}

type Maker = (plan: Plan) => string | undefined;

const node = ({ chance }: Plan) => `n${1 + chance.int(NODES)}`;
const manager = ({ chance }: Plan) => `m${1 + chance.int(MANAGERS)}`;
const time = ({ chance }: Plan, least: number, most: number) =>
  formatDuration(Math.round(chance.between(least, most) / 100) * 100);
const service = ({ chance, services }: Plan) =>
  services.size === 0 ? undefined : chance.pick([...services]);

const guest = ({ chance }: Plan) => `hand${1 + chance.int(3)}`;

const IMAGES = {
  "1": 6,
  "2": 6,
  "3": 3,
  flaky1: 2,
  crash1: 1,
  stubborn1: 2,
  well1: 3,
  sick1: 1,
  missing1: 1,
};

function image(plan: Plan, name: string): string {
  return `image ${name}:${plan.chance.weighted(IMAGES)}`;
}

function updateWords({ chance }: Plan): string[] {
  const words: string[] = [];
  if (chance.often(0.3)) words.push(chance.pick(["start-first", "stop-first"]));
  if (chance.often(0.4)) words.push(`parallelism ${chance.int(4)}`);
  if (chance.often(0.3)) words.push(`delay ${chance.pick(["2s", "10s"])}`);
  if (chance.often(0.3)) words.push(`monitor ${chance.pick(["2s", "10s", "20s"])}`);
  if (chance.often(0.5)) words.push(`on failure ${chance.pick(["pause", "continue", "rollback"])}`);
  return words;
}

function create(plan: Plan): string | undefined {
  const { chance, services } = plan;
  const free = NAMES.filter((name) => !services.has(name));
  if (free.length === 0) return undefined;
  const name = chance.pick(free);
  services.add(name);
  if (name === "batch") {
    const mode = chance.often(0.7) ? `job ${1 + chance.int(6)} by ${1 + chance.int(3)}` : "global job";
    return `create batch: ${mode}, image batch:${chance.pick(["batch1", "batch1", "try1"])}, restart on-failure`;
  }
  const words = [name === "agent" ? "global" : `replicas ${1 + chance.int(5)}`, image(plan, name)];
  if (chance.often(0.7)) words.push("network front");
  if (chance.often(0.3)) words.push("network back");
  if (chance.often(0.4)) words.push("port 80");
  if (chance.often(0.3)) words.push(`restart after ${chance.pick(["0s", "1s", "10s"])}`);
  if (chance.often(0.1)) words.push(`restart attempts ${1 + chance.int(3)}`);
  if (chance.often(0.1)) words.push("1 a node");
  if (chance.often(0.15)) words.push("constraint node.labels.disk!=old");
  if (chance.often(0.15)) words.push("spread node.labels.zone");
  if (chance.often(0.1)) words.push("grace 3s");
  return `create ${name}: ${[...words, ...updateWords(plan)].join(", ")}`;
}

function update(plan: Plan): string | undefined {
  const name = service(plan);
  if (name === undefined) return undefined;
  if (name === "batch") return "update batch: force";
  const what = plan.chance.weighted({ image: 6, scale: 4, force: 2 });
  if (what === "force") return `update ${name}: force`;
  if (what === "image" || name === "agent")
    return `update ${name}: ${[image(plan, name), ...updateWords(plan)].join(", ")}`;
  return `update ${name}: replicas ${plan.chance.int(7)}`;
}

function crash(plan: Plan): string | undefined {
  const name = plan.chance.often(0.75) ? node(plan) : manager(plan);
  if (plan.off.has(name) || plan.off.size > 1) return undefined;
  plan.off.add(name);
  return `crash ${name}`;
}

function comeBack({ chance, off }: Plan): string | undefined {
  if (off.size === 0) return undefined;
  const name = chance.pick([...off]);
  off.delete(name);
  return `return ${name}`;
}

/** A node that is off is removed now and then; its machine never joins again. */
function removeNode(plan: Plan): string | undefined {
  const off = [...plan.off].filter((name) => name.startsWith("n") && !plan.gone.has(name));
  const [first] = off;
  if (first === undefined || plan.gone.size > 0) return undefined;
  plan.gone.add(first);
  return `force out node ${first}`;
}

/** What can happen, how often, and in which words. */
const EVENTS: Readonly<Record<string, readonly [number, Maker]>> = {
  create: [10, create],
  update: [16, update],
  rollback: [3, (plan) => prefixed("rollback", service(plan))],
  remove: [
    3,
    (plan) => {
      const name = service(plan);
      if (name !== undefined) plan.services.delete(name);
      return prefixed("remove", name);
    },
  ],
  availability: [
    6,
    (plan) => `${plan.chance.weighted({ drain: 2, pause: 1, activate: 4 })} node ${node(plan)}`,
  ],
  label: [
    2,
    (plan) => `label node ${node(plan)} ${plan.chance.pick(["disk=old", "disk=new", "zone=a", "zone=b"])}`,
  ],
  removeNode: [1, removeNode],
  crash: [5, crash],
  comeBack: [12, comeBack],
  kill: [4, (plan) => `kill agent ${node(plan)} for ${time(plan, 100, 40_000)}`],
  restart: [3, (plan) => `restart agent ${node(plan)}`],
  stall: [3, (plan) => `stall ${node(plan)} for ${time(plan, 500, 40_000)}`],
  stallManager: [2, (plan) => `stall ${manager(plan)} for ${time(plan, 500, 20_000)}`],
  cut: [4, (plan) => `cut ${node(plan)} and ${manager(plan)} for ${time(plan, 500, 60_000)}`],
  cutUp: [2, (plan) => `cut ${node(plan)} to ${manager(plan)} for ${time(plan, 500, 40_000)}`],
  cutDown: [2, (plan) => `cut ${manager(plan)} to ${node(plan)} for ${time(plan, 500, 40_000)}`],
  lose: [3, (plan) => `lose a message of ${node(plan)}`],
  lead: [5, (plan) => `lead ${manager(plan)}`],
  conflicts: [3, (plan) => `store conflicts ${1 + plan.chance.int(5)}`],
  answers: [2, (plan) => `store answers lost ${1 + plan.chance.int(2)}`],
  away: [1, (plan) => `store away for ${time(plan, 300, 15_000)}`],
  awayFrom: [2, (plan) => `store away from ${manager(plan)} for ${time(plan, 300, 15_000)}`],
  clock: [
    1,
    (plan) =>
      `clock of ${plan.chance.often(0.5) ? node(plan) : manager(plan)} by ${plan.chance.pick(["-", ""])}${time(plan, 100, 30_000)}`,
  ],
  pulls: [1, (plan) => `pulls take ${plan.chance.pick([1, 1, 20, 60])} times as long`],
  registry: [1, (plan) => `registry ${plan.chance.pick(["away", "back", "back"])}`],
  run: [5, (plan) => `run ${guest(plan)} on ${node(plan)} at ${plan.chance.pick(["front", "back"])}`],
  rm: [4, (plan) => `rm ${guest(plan)} on ${node(plan)}`],
  end: [
    5,
    (plan) => {
      const name = service(plan);
      return name && `end a task of ${name} with ${plan.chance.int(2)}`;
    },
  ],
};

const WEIGHTS: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(EVENTS).map(([key, [weight]]) => [key, weight]),
);

function prefixed(verb: string, name: string | undefined): string | undefined {
  return name === undefined ? undefined : `${verb} ${name}`;
}

/** A history of mixed faults and commands, all of it from one seed. */
export function randomHistory(seed: number, hours: number): History {
  const chance = new Chance(seed).fork("history");
  const plan: Plan = { chance, services: new Set(), off: new Set(), gone: new Set() };
  const forMs = Math.round(hours * 3_600_000);
  const steps: Step[] = [];
  for (let i = 0; i < 3; i++) steps.push({ atMs: 1_000 + i * 500, text: create(plan) ?? "heal" });
  for (let at = 10_000; at < forMs; ) {
    // What comes in one breath finds the cluster in the middle of something.
    at += Math.round(chance.often(0.4) ? chance.wait(800) : chance.wait(PAUSE_MS));
    const text = EVENTS[chance.weighted(WEIGHTS)]?.[1](plan);
    if (text !== undefined && at < forMs) steps.push({ atMs: at, text });
  }
  return { world: { seed, nodes: NODES, managers: MANAGERS, calm: false }, steps, forMs };
}
