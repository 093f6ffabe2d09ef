import { subnetsOf } from "../lib/index.ts";
import { type IpamConfig, ipamOf, type Network, type SubnetState } from "../model/index.ts";
import { AddressRange } from "./range.ts";
import { AddressRange6 } from "./range6.ts";

/** One subnet of a network, and what was asked for there. */
export interface Pool {
  readonly family: 4 | 6;
  readonly state: SubnetState;
  readonly asked: IpamConfig | undefined;
}

/** The network's pools of one family, in the order in which they are filled; none as long as it has no subnet. */
export function poolsOf({ spec, state }: Network, family: 4 | 6): Pool[] {
  const side = family === 4 ? state : state?.v6;
  if (side === undefined) return [];
  const asked = ipamOf(spec, family);
  return subnetsOf(side).map((subnet, i) => ({ family, state: subnet, asked: asked[i] }));
}

/** The addresses that the pool gives by itself. */
export function rangeOf({ family, state, asked }: Pool): AddressRange | AddressRange6 {
  return family === 4 ? new AddressRange(state, asked) : new AddressRange6(state, asked);
}

/** The addresses that somebody may have who asks for them by name: also those beside its range. */
export function wholeOf(pool: Pool): AddressRange | AddressRange6 {
  const { ipRange: _, ...state } = pool.state;
  return rangeOf({ ...pool, state });
}
