import type { Clock, Log, Random } from "../lib/index.ts";
import type { Containers, Images } from "../runtime/index.ts";
import type { ContainerNetworks } from "./networks.ts";
import type { SavedRuns } from "./run-record.ts";

/** What the engine works with. */
export interface EngineParts {
  readonly containers: Containers;
  readonly images: Pick<Images, "resolve">;
  readonly networks: ContainerNetworks;
  readonly saved: SavedRuns;
  /** What a container on the host's network is told of it. */
  readonly host: {
    readonly name: string;
    /** Where containers reach it. */
    readonly gateway: string;
    readonly dns: { readonly nameservers: readonly string[]; readonly search: readonly string[] };
  };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}
