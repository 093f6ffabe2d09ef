import {
  diffNamespace,
  EMPTY_NAMESPACE,
  lostLinks,
  type NodeNetwork,
  type ObservedNamespace,
  type Operation,
  withoutLostLinks,
} from "../netstate/index.ts";

/** Operations by namespace, each in its order. */
export type RoundPlan = ReadonlyMap<string, readonly Operation[]>;

export function countOf(plan: RoundPlan): number {
  return [...plan.values()].reduce((sum, operations) => sum + operations.length, 0);
}

/** What has to be done in each namespace that was looked at. A veth that goes takes its other end along. */
export function planRound(nows: ReadonlyMap<string, ObservedNamespace>, wanted: NodeNetwork): RoundPlan {
  const dragged = draggedEnds(nows, wanted);
  return new Map(
    [...nows].map(([name, now]) => {
      const left = withoutLostLinks(now, dragged.get(name) ?? new Set());
      return [name, diffNamespace(left, wanted.namespaces[name] ?? EMPTY_NAMESPACE)];
    }),
  );
}

/** Ends that are wanted as they are, but vanish with their other end, which is made anew. By namespace. */
function draggedEnds(
  nows: ReadonlyMap<string, ObservedNamespace>,
  wanted: NodeNetwork,
): ReadonlyMap<string, Set<string>> {
  const dragged = new Map<string, Set<string>>([...nows.keys()].map((name) => [name, new Set()]));
  for (const [name, now] of nows) {
    const lost = lostLinks(now.links, wanted.namespaces[name]?.links ?? []);
    for (const link of now.links) {
      if (link.kind !== "veth" || !lost.has(link.name) || dragged.get(name)?.has(link.name)) continue;
      const { peer } = link;
      const stays = wanted.namespaces[peer.namespace]?.links.some((other) => other.name === peer.name);
      if (stays) dragged.get(peer.namespace)?.add(peer.name);
    }
  }
  return dragged;
}
