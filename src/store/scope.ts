import type { Scope } from "../model/index.ts";
import type { View } from "./view.ts";

/** All there is, and what is only spoken of: services and nodes that are gone while tasks or guests still name them. */
export function everythingOf(view: View): Scope {
  const services = new Set<string>();
  const nodes = new Set<string>();
  for (const service of view.all("service")) services.add(service.id);
  for (const node of view.all("node")) nodes.add(node.id);
  for (const task of view.all("task")) {
    services.add(task.serviceId);
    if (task.nodeId !== undefined) nodes.add(task.nodeId);
  }
  for (const guest of view.all("guest")) nodes.add(guest.nodeId);
  return { services, nodes };
}
