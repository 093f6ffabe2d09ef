import { subnetsOf } from "../../../../src/lib/index.ts";
import {
  type Guest,
  isTerminal,
  type Kind,
  type Kinds,
  type Network,
  type Node,
  type Service,
  type Task,
} from "../../../../src/model/index.ts";
import type { SimCluster, Watcher } from "../sim-cluster.ts";

/** What an object holds of what there is once only, as words. */
const HOLDINGS: { readonly [K in Kind]: (object: Kinds[K]) => string[] } = {
  cluster: () => [],
  network: ({ id, state }: Network) =>
    state === undefined
      ? []
      : [
          `VNI ${state.vni}`,
          ...subnetsOf(state).flatMap((of) => [`subnet ${of.subnet}`, `address ${of.gateway} on ${id}`]),
        ],
  node: ({ attachments }: Node) =>
    Object.entries(attachments).map(([id, address]) => `address ${address} on ${id}`),
  service: ({ endpoint }: Service) => [
    ...(endpoint?.vips ?? []).map(({ networkId, address }) => `address ${address} on ${networkId}`),
    ...(endpoint?.ports ?? [])
      .filter(({ publishMode }) => publishMode === "ingress")
      .map(({ protocol, published }) => `port ${published}/${protocol}`),
  ],
  task: (task: Task) =>
    isTerminal(task)
      ? []
      : task.attachments.map(({ networkId, address }) => `address ${address} on ${networkId}`),
  guest: ({ attachments }: Guest) =>
    attachments.map(({ networkId, address }) => `address ${address} on ${networkId}`),
  secret: () => [],
  config: () => [],
  news: () => [],
};

/** Addresses, ports, subnets and VNIs are never given out twice. */
export function numbersAreGivenOnce(world: SimCluster): Watcher {
  const holders = new Map<string, Set<string>>();
  const held = (kind: Kind, object: Kinds[Kind] | undefined): string[] =>
    object === undefined ? [] : (HOLDINGS[kind] as (object: Kinds[Kind]) => string[])(object);
  return {
    onChanges(changes) {
      for (const { kind, before, after } of changes) {
        const who = `${kind} ${(after ?? before)?.id}`;
        for (const what of held(kind, before)) holders.get(what)?.delete(who);
      }
      for (const { kind, after } of changes) {
        const who = `${kind} ${after?.id}`;
        for (const what of held(kind, after)) {
          const all = holders.get(what) ?? new Set();
          holders.set(what, all.add(who));
          if (all.size > 1) world.breaks(`${what} is given out twice: to ${[...all].join(" and ")}`);
        }
      }
    },
  };
}

/** Addresses that nodes hold on networks where no task of theirs lives, and services where they have no business. */
export function leaks(world: SimCluster): string[] {
  const { view } = world;
  const found: string[] = [];
  for (const node of view.all("node")) {
    const needs = new Set<string>();
    for (const task of view.tasksByNode(node.id))
      if (!isTerminal(task)) for (const { networkId } of task.attachments) needs.add(networkId);
    for (const guest of view.guestsByNode(node.id))
      for (const { networkId } of guest.attachments) needs.add(networkId);
    for (const [id, address] of Object.entries(node.attachments)) {
      const network = view.get("network", id);
      if (network?.spec.ingress !== true && !needs.has(id))
        found.push(`${node.id} keeps the address ${address} on ${id}, where none of its tasks lives`);
    }
  }
  return found;
}
