import { isOtherNetwork, type Kinds, type SwarmEvent } from "../model/index.ts";
import type { ObjectChange } from "../store/index.ts";

type Told = "service" | "node" | "network" | "secret" | "config";
type Words = Readonly<Record<string, string>>;

/** What an event says of an object, and which of its fields are told as `<name>.old` and `<name>.new` when they change. */
interface Teller<K extends Told> {
  name(object: Kinds[K]): string;
  watched(object: Kinds[K]): Words;
}

const TELLERS: { readonly [K in Told]: Teller<K> } = {
  service: {
    name: (service) => service.spec.name,
    watched: (service) => ({
      image: service.spec.task.container.image,
      // Moby tells of a replicated service's alone.
      replicas: service.spec.mode.kind === "replicated" ? String(service.spec.mode.replicas) : "",
      updatestate: service.updateStatus?.state ?? "",
    }),
  },
  node: {
    name: (node) => node.description?.hostname ?? "",
    watched: (node) => ({
      availability: node.spec.availability,
      role: node.role,
      state: node.status.state,
    }),
  },
  network: { name: (network) => network.spec.name, watched: () => ({}) },
  secret: { name: (secret) => secret.spec.name, watched: () => ({}) },
  config: { name: (config) => config.spec.name, watched: () => ({}) },
};

/** The swarm events of one commit in Docker's words (moby daemon/events.go); objects without events tell nothing. */
export function swarmEvents(changes: readonly ObjectChange[]): SwarmEvent[] {
  return changes.flatMap((change) => {
    if (change.kind === "service") return eventOf("service", change as ObjectChange<"service">);
    if (change.kind === "node") return eventOf("node", change as ObjectChange<"node">);
    if (change.kind === "network") return networkEvent(change as ObjectChange<"network">);
    if (change.kind === "secret") return eventOf("secret", change as ObjectChange<"secret">);
    if (change.kind === "config") return eventOf("config", change as ObjectChange<"config">);
    return [];
  });
}

/** That another address was given is nobody's news. */
function networkEvent(change: ObjectChange<"network">): SwarmEvent[] {
  return isOtherNetwork(change.before, change.after) ? eventOf("network", change) : [];
}

function eventOf<K extends Told>(kind: K, { before, after }: ObjectChange<K>): SwarmEvent[] {
  const object = after ?? before;
  if (object === undefined) return [];
  const teller: Teller<K> = TELLERS[kind];
  const action = before === undefined ? "create" : after === undefined ? "remove" : "update";
  const differences = before && after ? changed(teller.watched(before), teller.watched(after)) : {};
  const attributes = { name: teller.name(object), ...differences };
  return [{ type: kind, action, actor: object.id, attributes }];
}

function changed(before: Words, after: Words): Words {
  const rows = Object.keys(after).filter((key) => before[key] !== after[key]);
  return Object.fromEntries(
    rows.flatMap((key) => [
      [`${key}.old`, before[key] ?? ""],
      [`${key}.new`, after[key] ?? ""],
    ]),
  );
}
