import {
  DEFAULT_UPDATE,
  type ServiceSpec,
  type TaskSpec,
  type UpdateConfig,
} from "../../../src/model/index.ts";
import { aService } from "../../../src/model/objects.fake.ts";
import { parseDuration } from "./durations.ts";

type Edit = (spec: ServiceSpec, ...groups: string[]) => ServiceSpec;

/** What a scenario can say of a service, one word after the other. */
const WORDS: readonly (readonly [RegExp, Edit])[] = [
  [/^replicas (\d+)$/, (spec, n) => ({ ...spec, mode: { kind: "replicated", replicas: Number(n) } })],
  [/^global$/, (spec) => ({ ...spec, mode: { kind: "global" } })],
  [/^global job$/, (spec) => ({ ...spec, mode: { kind: "global-job" } })],
  [
    /^job (\d+) by (\d+)$/,
    (spec, total, most) => ({
      ...spec,
      mode: { kind: "replicated-job", totalCompletions: Number(total), maxConcurrent: Number(most) },
    }),
  ],
  [
    /^image (\S+)$/,
    (spec, image = "") => task(spec, (t) => ({ ...t, container: { ...t.container, image } })),
  ],
  [
    /^network (\S+)$/,
    (spec, name = "") =>
      task(spec, (t) => ({ ...t, networks: [...t.networks, { target: `net-${name}`, aliases: [] }] })),
  ],
  [/^port (\d+):(\d+)$/, (spec, published, target) => port(spec, Number(published), Number(target))],
  [/^port (\d+)$/, (spec, target) => port(spec, 0, Number(target))],
  [
    /^restart (none|on-failure|any)$/,
    (spec, condition) => restart(spec, { condition: condition as "any" | "none" | "on-failure" }),
  ],
  [/^restart after (\S+)$/, (spec, delay = "") => restart(spec, { delayMs: parseDuration(delay) })],
  [/^restart attempts (\d+)$/, (spec, n) => restart(spec, { maxAttempts: Number(n) })],
  [
    /^(start-first|stop-first)$/,
    (spec, order) => updates(spec, { order: order as "start-first" | "stop-first" }),
  ],
  [/^parallelism (\d+)$/, (spec, n) => updates(spec, { parallelism: Number(n) })],
  [/^delay (\S+)$/, (spec, delay = "") => updates(spec, { delayMs: parseDuration(delay) })],
  [/^monitor (\S+)$/, (spec, time = "") => updates(spec, { monitorMs: parseDuration(time) })],
  [
    /^on failure (pause|continue|rollback)$/,
    (spec, action) => updates(spec, { failureAction: action as UpdateConfig["failureAction"] }),
  ],
  [
    /^constraint (\S+)$/,
    (spec, text = "") => placement(spec, (p) => ({ ...p, constraints: [...p.constraints, text] })),
  ],
  [
    /^spread (\S+)$/,
    (spec, text = "") =>
      placement(spec, (p) => ({ ...p, preferences: [...p.preferences, { spread: text }] })),
  ],
  [/^(\d+) a node$/, (spec, n) => placement(spec, (p) => ({ ...p, maxReplicas: Number(n) }))],
  [
    /^grace (\S+)$/,
    (spec, time = "") =>
      task(spec, (t) => ({ ...t, container: { ...t.container, stopGraceMs: parseDuration(time) } })),
  ],
  [
    /^reserve (\d+) cpus?$/,
    (spec, n) =>
      task(spec, (t) => ({
        ...t,
        resources: {
          ...t.resources,
          reservations: { ...t.resources.reservations, nanoCpus: Number(n) * 1e9 },
        },
      })),
  ],
  [/^force$/, (spec) => task(spec, (t) => ({ ...t, forceUpdate: t.forceUpdate + 1 }))],
];

/** A service's spec as these words have it, on top of what it was. Throws on words that mean nothing. */
export function editSpec(spec: ServiceSpec, words: string): ServiceSpec {
  return words
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "")
    .reduce((so, word) => editOne(so, word), spec);
}

/** A new service's spec. */
export function newSpec(name: string, words: string): ServiceSpec {
  return editSpec(aService(name).spec, words);
}

/** The images that words name. */
export function imagesIn(words: string): string[] {
  return [...words.matchAll(/\bimage (\S+?)(?:,|$)/g)].map(([, image = ""]) => image);
}

function editOne(spec: ServiceSpec, word: string): ServiceSpec {
  for (const [pattern, edit] of WORDS) {
    const match = pattern.exec(word);
    if (match !== null) return edit(spec, ...match.slice(1));
  }
  throw new Error(`a service knows no word "${word}"`);
}

function task(spec: ServiceSpec, edit: (task: TaskSpec) => TaskSpec): ServiceSpec {
  return { ...spec, task: edit(spec.task) };
}

function placement(
  spec: ServiceSpec,
  edit: (was: TaskSpec["placement"]) => TaskSpec["placement"],
): ServiceSpec {
  return task(spec, (t) => ({ ...t, placement: edit(t.placement) }));
}

function restart(spec: ServiceSpec, words: Partial<TaskSpec["restart"]>): ServiceSpec {
  return task(spec, (t) => ({ ...t, restart: { ...t.restart, ...words } }));
}

/** Rollbacks go by the same rules, but for that they are never rolled back. */
function updates(spec: ServiceSpec, words: Partial<UpdateConfig>): ServiceSpec {
  const update = { ...DEFAULT_UPDATE, ...spec.update, ...words };
  const failureAction = update.failureAction === "rollback" ? "pause" : update.failureAction;
  return { ...spec, update, rollback: { ...update, failureAction } };
}

function port(spec: ServiceSpec, published: number, target: number): ServiceSpec {
  const added = { name: "", protocol: "tcp", target, published, publishMode: "ingress" } as const;
  return { ...spec, endpoint: { ...spec.endpoint, ports: [...spec.endpoint.ports, added] } };
}
