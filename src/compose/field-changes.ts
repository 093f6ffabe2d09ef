import { equal } from "../lib/index.ts";
import type { Json } from "./stack.ts";

/** One field of a service that is not as it should be. */
export interface FieldChange {
  /** In the words of stack files: `deploy.replicas`. */
  readonly field: string;
  /** Undefined when there was nothing, or shall be nothing. */
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** Compose's words for Docker's; the longest that fits is taken. */
const WORDS: readonly (readonly [string, string])[] = [
  ["TaskTemplate.ContainerSpec.Image", "image"],
  ["TaskTemplate.ContainerSpec.Command", "entrypoint"],
  ["TaskTemplate.ContainerSpec.Args", "command"],
  ["TaskTemplate.ContainerSpec.Env", "environment"],
  ["TaskTemplate.ContainerSpec.Hosts", "extra_hosts"],
  ["TaskTemplate.ContainerSpec.DNSConfig", "dns"],
  ["TaskTemplate.ContainerSpec.Dir", "working_dir"],
  ["TaskTemplate.ContainerSpec.Mounts", "volumes"],
  ["TaskTemplate.ContainerSpec.StopGracePeriod", "stop_grace_period"],
  ["TaskTemplate.ContainerSpec.StopSignal", "stop_signal"],
  ["TaskTemplate.ContainerSpec.TTY", "tty"],
  ["TaskTemplate.ContainerSpec.OpenStdin", "stdin_open"],
  ["TaskTemplate.ContainerSpec.ReadOnly", "read_only"],
  ["TaskTemplate.ContainerSpec.CapabilityAdd", "cap_add"],
  ["TaskTemplate.ContainerSpec.CapabilityDrop", "cap_drop"],
  ["TaskTemplate.ContainerSpec.OomScoreAdj", "oom_score_adj"],
  ["TaskTemplate.ContainerSpec.Groups", "group_add"],
  ["TaskTemplate.ContainerSpec.Privileges", "security_opt"],
  ["TaskTemplate.ContainerSpec", ""],
  ["TaskTemplate.LogDriver", "logging"],
  ["TaskTemplate.Networks", "networks"],
  ["TaskTemplate.Resources", "deploy.resources"],
  ["TaskTemplate.RestartPolicy", "deploy.restart_policy"],
  ["TaskTemplate.Placement", "deploy.placement"],
  ["TaskTemplate", ""],
  ["UpdateConfig", "deploy.update_config"],
  ["RollbackConfig", "deploy.rollback_config"],
  ["Labels", "deploy.labels"],
  ["Mode.Replicated.Replicas", "deploy.replicas"],
  ["Mode", "deploy.mode"],
  ["EndpointSpec.Ports", "ports"],
  ["EndpointSpec.Mode", "deploy.endpoint_mode"],
];
const NANOS = new Set([
  "Interval",
  "Timeout",
  "StartPeriod",
  "StartInterval",
  "Delay",
  "Window",
  "Monitor",
  "StopGracePeriod",
]);
const HIDDEN_REGEXP = /pass|secret|token|key|credential/i;

/** What differs between two specs in Docker's JSON, field by field, in the words of stack files. */
export function fieldChanges(from: Json, to: Json): FieldChange[] {
  const changes: FieldChange[] = [];
  walk([], from, to, changes);
  return changes;
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function walk(path: readonly string[], from: unknown, to: unknown, changes: FieldChange[]): void {
  if (equal(from ?? undefined, to ?? undefined)) return;
  if (path.at(-1) === "Env") {
    walkEnv(path, asTexts(from), asTexts(to), changes);
    return;
  }
  const both = (isObject(from) || from === undefined) && (isObject(to) || to === undefined);
  if (!both) {
    changes.push({ field: fieldOf(path), from: shown(path, from), to: shown(path, to) });
    return;
  }
  const keys = new Set([...Object.keys(from ?? {}), ...Object.keys(to ?? {})]);
  for (const key of keys) walk([...path, key], from?.[key], to?.[key], changes);
}

const asTexts = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(String) : []);

function walkEnv(
  path: readonly string[],
  from: readonly string[],
  to: readonly string[],
  changes: FieldChange[],
) {
  const [had, has] = [assignments(from), assignments(to)];
  for (const name of new Set([...had.keys(), ...has.keys()])) {
    const [before, after] = [had.get(name), has.get(name)];
    if (before === after) continue;
    const hidden = HIDDEN_REGEXP.test(name);
    const show = (value: string | undefined) => (value !== undefined && hidden ? "(not shown)" : value);
    changes.push({ field: `${fieldOf(path)}.${name}`, from: show(before), to: show(after) });
  }
}

function assignments(env: readonly string[]): Map<string, string> {
  return new Map(
    env.map((one) => {
      const equals = one.indexOf("=");
      return equals < 0 ? [one, "(unset)"] : [one.slice(0, equals), one.slice(equals + 1)];
    }),
  );
}

function fieldOf(path: readonly string[]): string {
  for (let length = path.length; length > 0; length--) {
    const head = path.slice(0, length).join(".");
    const [, word] = WORDS.find(([wire]) => wire === head) ?? [];
    if (word === undefined) continue;
    const rest = path.slice(length).map((part) => (head.endsWith("Labels") ? part : snake(part)));
    return [...(word === "" ? [] : [word]), ...rest].join(".");
  }
  return path.map(snake).join(".");
}

const snake = (name: string): string =>
  /^[A-Z]/.test(name) && !/[.-]/.test(name) ? name.replace(/([a-z])(?=[A-Z])/g, "$1_").toLowerCase() : name;

function shown(path: readonly string[], value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && NANOS.has(path.at(-1) ?? "")) return `${value / 1e9}s`;
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return `[${value.map((one) => item(one)).join(", ")}]`;
  return JSON.stringify(value);
}

/** A port, mount, network or file in a few words. */
function item(value: unknown): string {
  if (!isObject(value)) return String(value);
  const { PublishedPort, TargetPort, Protocol, Target, Source, File, SecretName, ConfigName } = value;
  if (TargetPort !== undefined) return `${PublishedPort ?? ""}:${TargetPort}/${Protocol}`;
  if (isObject(File)) return `${SecretName ?? ConfigName} as ${File["Name"]}`;
  if (Target !== undefined) return Source === undefined ? String(Target) : `${Source}:${Target}`;
  return JSON.stringify(value);
}
