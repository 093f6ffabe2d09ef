import {
  type Attachment,
  type Change,
  type Guest,
  type GuestNetwork,
  type Network,
  put,
} from "../model/index.ts";
import type { View } from "../store/index.ts";
import { Ledger, type Objection, type Place } from "./ledger.ts";

/** What a guest needs: a place on each of these networks, with these addresses where they are said. */
export interface GuestNeed extends Pick<Guest, "nodeId" | "attachments"> {
  readonly wanted: readonly Wanted[];
}

type Wanted = Pick<GuestNetwork, "target" | "address" | "address6">;

/** Places for a guest and what is to be written with it; or why it cannot have them, as a sentence of that kind. */
export type GuestGrant =
  | { readonly attachments: readonly Attachment[]; readonly changes: readonly Change[] }
  | (Objection & { readonly networkId: string });

/**
 * A place on each of the guest's networks, all or none. Those that it has and that are what it asks for stay. Every network of which an
 * address is given is among the changes, so that its version guards against two who give the same at once.
 */
export function grantGuest(view: View, { nodeId, wanted, attachments }: GuestNeed): GuestGrant {
  const networks = new Map([...view.all("network")].map((network) => [network.id, network]));
  const ledger = new Ledger(view, networks);
  const places: Attachment[] = [];
  const given: Network[] = [];
  for (const need of wanted) {
    const held = attachments.find(({ networkId }) => networkId === need.target);
    if (held !== undefined && suits(held, need)) {
      places.push(held);
      continue;
    }
    const refusal = refusalOf(ledger, need, nodeId);
    if (refusal !== undefined) return { ...refusal, networkId: need.target };
    const place = ledger.placeAs(need.target, need);
    const network = networks.get(need.target);
    if (place === undefined || network === undefined) continue;
    places.push({ networkId: need.target, ...place });
    given.push(network);
  }
  const moved = ledger.moved();
  const changes = given.map((network) => {
    const state = moved.get(network.id);
    return put("network", state === undefined ? network : { ...network, state });
  });
  return { attachments: places, changes };
}

function refusalOf(ledger: Ledger, need: Wanted, nodeId: string): Objection | undefined {
  const lack = ledger.refusalToGuest(need.target, nodeId);
  return lack === undefined ? ledger.objectionTo(need.target, need) : { error: lack, kind: "precondition" };
}

function suits(held: Place, { address, address6 }: Wanted): boolean {
  return (address ?? held.address) === held.address && (address6 ?? held.address6) === held.address6;
}
