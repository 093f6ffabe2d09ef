import { fitsPlatform, meetsAll, type Node, type Service } from "../model/index.ts";
import type { View } from "../store/index.ts";

/** The nodes that a global service is for: up, not drained, of its constraints and platforms. */
export interface Grounds {
  /** Those that take new tasks. */
  readonly open: readonly Node[];
  /** Those that keep what they have. */
  readonly paused: readonly Node[];
}

export function groundsOf(view: View, service: Service): Grounds {
  const fit = [...view.all("node")].filter((node) => isFor(service, node));
  return {
    open: fit.filter((node) => node.spec.availability === "active"),
    paused: fit.filter((node) => node.spec.availability === "pause"),
  };
}

function isFor({ spec }: Service, node: Node): boolean {
  const { placement } = spec.task;
  return (
    node.status.state !== "down" &&
    node.spec.availability !== "drain" &&
    meetsAll(placement.constraints, node) &&
    fitsPlatform(placement, node)
  );
}
