import { Fault } from "../../lib/index.ts";
import { type Kinds, taskName } from "../../model/index.ts";
import type { View } from "../../store/index.ts";

type Named = "service" | "network" | "node" | "task" | "secret" | "config";

const NAME_OF: { [K in Named]: (object: Kinds[K]) => string } = {
  service: (s) => s.spec.name,
  network: (n) => n.spec.name,
  node: (n) => n.description?.hostname ?? "",
  task: taskName,
  secret: (s) => s.spec.name,
  config: (c) => c.spec.name,
};

/**
 * What a user's word means: a full id, else a name, else a unique beginning of an id (Docker's order).
 * Faults: "not-found" `service X not found`; "invalid" `service X is ambiguous (2 matches found)`.
 */
export function requireByRef<K extends Named>(view: View, kind: K, ref: string): Kinds[K] {
  const exact = view.get(kind, ref);
  if (exact !== undefined) return exact;
  const all = [...view.all(kind)];
  const nameOf = NAME_OF[kind];
  const named = all.filter((object) => nameOf(object) === ref);
  const found = named.length > 0 ? named : all.filter((object) => ref !== "" && object.id.startsWith(ref));
  const [one] = found;
  if (one === undefined) throw new Fault("not-found", `${kind} ${ref} not found`);
  if (found.length > 1) {
    throw new Fault("invalid", `${kind} ${ref} is ambiguous (${found.length} matches found)`);
  }
  return one;
}
