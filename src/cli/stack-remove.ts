import type { EngineClient } from "../client/index.ts";
import type { Json } from "../compose/index.ts";
import { type Clock, Fault, sleep } from "../lib/index.ts";
import { ofStack } from "./stack-objects.ts";

const LOOK_MS = 250;
const ENDED = new Set(["complete", "shutdown", "failed", "rejected", "orphaned"]);

interface RemoveParts {
  readonly client: EngineClient;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  say(line: string): void;
}

/** Removes all of a stack: services, then, when no task is left, its secrets, configs and networks. Volumes stay. */
export async function removeStack(name: string, { client, clock, signal, say }: RemoveParts): Promise<void> {
  const filters = ofStack(name);
  const list = (path: string) => client.get<Json[]>(path, { filters });
  const found = [
    ...(await named("service", list("/services"))),
    ...(await named("secret", list("/secrets"))),
    ...(await named("config", list("/configs"))),
    ...(await named("network", list("/networks"))),
  ];
  if (found.length === 0)
    throw new Fault("not-found", `cannot remove stack ${name}: the cluster has nothing of it`);
  for (const kind of ["service", "secret", "config", "network"]) {
    if (kind !== "service") await emptied();
    for (const one of found.filter((object) => object.kind === kind)) {
      await client.delete(`/${kind}s/${one.id}`);
      say(`${kind} ${one.name}: removed`);
    }
  }

  async function emptied(): Promise<void> {
    const isLive = ({ Status }: Json) => !ENDED.has(String((Status as Json)["State"]));
    while ((await list("/tasks")).some(isLive)) {
      if (signal.aborted)
        throw new Fault("unavailable", `cannot remove all of stack ${name}: tasks of it still run`);
      await sleep(clock, LOOK_MS, signal).catch(() => undefined);
    }
  }
}

async function named(kind: string, objects: Promise<Json[]>) {
  return (await objects).map((object) => {
    const name = object["Name"] ?? ((object["Spec"] ?? {}) as Json)["Name"];
    return { kind, name: String(name), id: String(object["ID"] ?? object["Id"]) };
  });
}
