import { type EngineEvent, microsOf } from "../model/index.ts";

/** One line of GET /events (moby api/types/events Message); the first three fields are its old form. */
export function eventToWire(event: EngineEvent): Record<string, unknown> {
  const isOld = event.type === "container" || event.type === "image";
  return {
    ...(isOld && { status: event.action, id: event.actor }),
    ...(event.type === "container" && { from: event.attributes["image"] ?? "" }),
    Type: event.type,
    Action: event.action,
    Actor: { ID: event.actor, Attributes: event.attributes },
    scope: event.scope,
    time: Math.floor(event.at / 1000),
    timeNano: nanos(event.at),
  };
}

/** Go's clients want a plain number: whole microseconds, which a double still tells apart and prints in full. */
function nanos(at: number): number {
  return microsOf(at) * 1000;
}
