import { type Kinds, stateRank, type Task } from "../model/index.ts";
import { T0 } from "../model/objects.fake.ts";
import type { ObjectChange } from "../store/index.ts";
import type { World } from "./world.fake.ts";

/**
 * What happens to the world's service from now on, as lines that one would show a colleague; "v0" is what its tasks
 * ran first (their `forceUpdate`):
 *
 *      0.0 s  web: updating, update in progress
 *      0.0 s  web.1 v0 told to stop; v1 waits for it
 */
export function tellStory(world: World): string[] {
  const lines: string[] = [];
  const since = world.now;
  world.watch = (changes) => {
    const clock = `${((world.now - since) / 1000).toFixed(1).padStart(6)} s`;
    for (const words of changes.flatMap(tell)) lines.push(`${clock}  ${words}`);
  };
  return lines;
}

function tell({ kind, before, after }: ObjectChange): string[] {
  if (kind === "service") return tellService(before as Kinds["service"], after as Kinds["service"]);
  return kind === "task" && after !== undefined ? tellTask(before as Task | undefined, after as Task) : [];
}

function tellService(before: Kinds["service"] | undefined, after: Kinds["service"] | undefined): string[] {
  const status = after?.updateStatus;
  if (status === undefined || status.state === before?.updateStatus?.state) return [];
  return [`${after?.spec.name}: ${status.state}, ${status.message}`];
}

function tellTask(before: Task | undefined, after: Task): string[] {
  const name = `${after.serviceName}.${after.nodeId && after.slot === 0 ? after.nodeId : after.slot} v${after.spec.forceUpdate}`;
  if (before === undefined) return [`${name} is made${waitOf(after)}`];
  const said: string[] = [];
  if (before.desiredState !== after.desiredState) {
    said.push(
      stateRank(after.desiredState) < stateRank("complete") ? `${name} may run` : `${name} is told to stop`,
    );
  }
  const { state } = after.status;
  if (state !== before.status.state && stateRank(state) >= stateRank("running")) {
    said.push(`${name} ${state === "running" ? "runs" : `has ended: ${state}`}`);
  }
  return said;
}

function waitOf({ desiredState, notBefore, createdAt }: Task): string {
  if (desiredState !== "ready") return "";
  const wait = (notBefore ?? T0) - createdAt;
  return wait > 0 ? `, and waits ${wait / 1000} s` : ", and waits for the old one";
}
