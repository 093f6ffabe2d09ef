import type { RunSpec } from "../model/index.ts";
import type { SandboxPlace, SandboxWish } from "./networks.ts";

/** What this node remembers of a container that was made by hand, beside what the runtime does. */
export interface RunRecord {
  readonly id: string;
  readonly spec: RunSpec;
  /** Its place on networks, while it runs. */
  readonly place?: SandboxPlace;
  /** Somebody told it to stop, and nobody to start since. */
  readonly byHand: boolean;
  /** How often its restart rule has started it since somebody did so by hand. */
  readonly restarts: number;
  /**
   * With those of `docker network connect` since it was made; by name as soon as that is known: a network that is made anew under its
   * name takes the place of the one before, as in Docker.
   */
  readonly networks: RunSpec["networks"];
}

/** Where records are kept through restarts of the daemon. */
export interface SavedRuns {
  /** All that can be read. */
  load(): Promise<RunRecord[]>;
  save(record: RunRecord): Promise<void>;
  /** No error when there is none. */
  remove(id: string): Promise<void>;
}

/**
 * What the container asks of the node's networks; undefined when it has none of them to ask. One whose networks were all taken away
 * has its sandbox all the same.
 */
export function wishOf(
  { id, spec, networks }: RunRecord,
  name: string,
  exposed: readonly string[],
): SandboxWish | undefined {
  if (spec.networks.length === 0) return undefined;
  const published = new Set(spec.ports.map(({ target, protocol }) => `${target}/${protocol}`));
  const more = spec.publishAll
    ? [...new Set([...spec.exposed, ...exposed])].filter((key) => !published.has(key))
    : [];
  const ports = [...spec.ports, ...more.map(portOf)];
  return { containerId: id, name, networks, ports };
}

/** The same networks under their names. */
export function byName(networks: RunSpec["networks"], names: readonly string[]): RunSpec["networks"] {
  return networks.map((network, i) => ({ ...network, ref: names[i] ?? network.ref }));
}

/** The record's networks and this one; what was said of it before is not true any more. */
export function withNetwork(
  { networks }: Pick<RunRecord, "networks">,
  wish: RunSpec["networks"][number],
): RunSpec["networks"] {
  return [...networks.filter(({ ref }) => ref !== wish.ref), wish];
}

function portOf(key: string): SandboxWish["ports"][number] {
  const [target = "", protocol = "tcp"] = key.split("/");
  return { target: Number(target), protocol: protocol as "tcp", published: 0 };
}
