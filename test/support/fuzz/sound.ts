import { newId } from "../../../src/lib/index.ts";
import { planCluster } from "../../../src/manager/index.ts";
import { replicasOf, type Service } from "../../../src/model/index.ts";
import { applyPlan, type Store, type View } from "../../../src/store/index.ts";
import { systemClock as clock } from "../../../src/sys/index.ts";
import type { FuzzAnswer, FuzzedEngine } from "./fuzzed-engine.ts";
import type { FuzzRequest } from "./requests.ts";

/** Docker's one 500 that is no mistake of ours: clients wait for these words. */
const OUT_OF_SEQUENCE = "update out of sequence";
const NO_BODY = new Set([101, 204, 304]);

/** What is wrong with an answer, in words; undefined when nothing is. */
export function unsound(
  { method }: FuzzRequest,
  { status, type, text, isCut }: FuzzAnswer,
): string | undefined {
  if (status === 0 || method === "HEAD" || NO_BODY.has(status)) return undefined;
  if (isCut && status === 200) return undefined;
  if (status < 200 || status > 599) return `status ${status}`;
  const json = jsonOf(type, text);
  if (json === BROKEN) return `no JSON: ${text.slice(0, 200)}`;
  if (status < 400) return undefined;
  const message = typeof json === "object" && json !== null ? Reflect.get(json, "message") : undefined;
  if (typeof message !== "string" || message === "")
    return `${status} without a message: ${text.slice(0, 200)}`;
  if (status === 500 && message.includes(OUT_OF_SEQUENCE)) return undefined;
  if (status >= 500 && status !== 501 && status !== 503) return `${status}: ${message}`;
  return undefined;
}

const BROKEN = Symbol("broken");

function jsonOf(type: string, text: string): unknown {
  if (!type.startsWith("application/json")) return undefined;
  try {
    // A stream is lines of JSON.
    const lines = text.split("\n").filter((line) => line !== "");
    return lines.map((line) => JSON.parse(line) as unknown)[0];
  } catch {
    return BROKEN;
  }
}

/** More tasks than one service may have here: planning many is not what is looked at. */
const MANY_TASKS = 20;
const MANY_OBJECTS = 20;
const KINDS = ["service", "network", "secret", "config"] as const;

/** What is wrong with the store and its lists, as sentences. */
export async function troubles(
  { store, backends, errors }: FuzzedEngine,
  get: (path: string) => Promise<FuzzAnswer>,
): Promise<string[]> {
  const told = [...errors.splice(0)];
  for (const kind of KINDS) {
    const all = [...store.view.all(kind)];
    const names = all.map(({ spec }) => spec.name);
    if (new Set(names).size < names.length)
      told.push(`two ${kind}s have one name: ${names.sort().join(", ")}`);
    const { status, text } = await get(`/${kind}s`);
    if (status !== 200) told.push(`GET /${kind}s: ${status} ${text}`);
    for (const { id } of all) {
      const shown = await get(`/${kind}s/${id}`);
      if (shown.status !== 200) told.push(`GET /${kind}s/${id}: ${shown.status} ${shown.text}`);
    }
  }
  for (const path of [
    "/tasks",
    "/nodes",
    "/swarm",
    "/info",
    "/containers/json?all=1",
    "/volumes",
    "/images/json",
    "/system/df",
  ]) {
    const { status, text } = await get(path);
    if (status !== 200) told.push(`GET ${path}: ${status} ${text}`);
  }
  await cull(store);
  for (const { id } of (await backends.containers.list()).slice(10))
    await backends.containers.remove(id, { force: true });
  for (const { name } of (await backends.volumes.list()).slice(10)) await backends.volumes.remove(name, true);
  return [...told, ...(await plansEnd(store)), ...twice(store.view)];
}

/** Keeps the store small: what is not looked at any more goes. */
async function cull(store: Store): Promise<void> {
  const isLarge = (service: Service) =>
    (replicasOf(service.spec.mode) ?? 0) > MANY_TASKS || service.spec.mode.kind === "replicated-job";
  for (const service of [...store.view.all("service")].filter(isLarge))
    await removeOne(store, "service", service);
  for (const kind of KINDS) {
    const all = [...store.view.all(kind)];
    for (const one of all.slice(0, Math.max(0, all.length - MANY_OBJECTS))) {
      const isUsed = kind !== "service" && JSON.stringify([...store.view.all("service")]).includes(one.id);
      if (!isUsed && !(kind === "network" && one.spec.name === "ingress")) await removeOne(store, kind, one);
    }
  }
}

function removeOne(
  store: Store,
  kind: (typeof KINDS)[number],
  { id, version }: { id: string; version: number },
): Promise<number> {
  return store.update([{ op: "delete", kind, id, version }]);
}

/** Deciders take whatever was taken in, and come to rest. */
async function plansEnd(store: Store): Promise<string[]> {
  const random = { bytes: (n: number) => crypto.getRandomValues(new Uint8Array(n)) };
  for (let i = 0; i < 50; i++) {
    const plan = planCluster(store.view, { now: clock.now(), newId: () => newId(random) });
    if (plan.changes.length === 0) return [];
    await applyPlan(store, plan);
  }
  return ["the deciders do not come to rest"];
}

/** Addresses and ports that two have. */
function twice(view: View): string[] {
  const held = [...view.all("service")].flatMap(({ endpoint }) => [
    ...(endpoint?.vips ?? []).map(({ networkId, address }) => `${address} on ${networkId}`),
    ...(endpoint?.ports ?? [])
      .filter(({ publishMode }) => publishMode === "ingress")
      .map(({ protocol, published }) => `port ${published}/${protocol}`),
  ]);
  const places = [...view.all("task")].flatMap(({ attachments, status }) =>
    ["shutdown", "failed", "rejected", "complete", "orphaned", "remove"].includes(status.state)
      ? []
      : attachments.map(({ networkId, address }) => `${address} on ${networkId}`),
  );
  const all = [...held, ...places];
  return all.filter((one, i) => all.indexOf(one) !== i).map((one) => `given out twice: ${one}`);
}
