import type { Clock, Random } from "../../lib/index.ts";
import type { OwnSubnet } from "../../model/index.ts";
import type { Store } from "../../store/index.ts";

/** What every part of the control needs. */
export interface ControlParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** Of this manager's node; other nodes are taken to have the same, and refuse tasks where they have not. */
  readonly ownSubnets?: readonly OwnSubnet[];
}
