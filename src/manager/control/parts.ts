import type { Clock, Random } from "../../lib/index.ts";
import type { Store } from "../../store/index.ts";

/** What every part of the control needs. */
export interface ControlParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
}
