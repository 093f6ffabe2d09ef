import { type AddressUse, ipamOf, type Network } from "../model/index.ts";
import type { View } from "../store/index.ts";
import { heldBeside } from "./beside.ts";
import { BOOKS } from "./books.ts";
import { AddressRange } from "./range.ts";
import { AddressRange6 } from "./range6.ts";

/** How full each subnet of a network is; nothing for one that has none yet. */
export function addressUse(view: View, network: Network): AddressUse[] {
  const { id, spec, state } = network;
  if (state === undefined) return [];
  const books = view.derive(BOOKS);
  const ofRange = (
    subnet: string,
    { size }: { readonly size: number },
    { reserved }: { readonly reserved: number },
    { held, beside }: { readonly held: number; readonly beside: number },
  ): AddressUse => ({ subnet, inUse: reserved + held, free: Math.max(0, size - held + beside) });
  const use = (family: 4 | 6) => ({
    held: books.used(id, family),
    beside: heldBeside(view, network, family),
  });
  const { ipRange: _, ...whole } = state;
  const four = ofRange(state.subnet, new AddressRange(state, spec), new AddressRange(whole, spec), use(4));
  if (state.v6 === undefined) return [four];
  const asked = ipamOf(spec, 6);
  const { ipRange: __, ...whole6 } = state.v6;
  const [range6, all6] = [new AddressRange6(state.v6, asked), new AddressRange6(whole6, asked)];
  return [four, ofRange(state.v6.subnet, range6, all6, use(6))];
}
