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

/** Places for a guest and what is to be written with it; or why it cannot have them, as a sentence of that kind. */
export type GuestGrant =
  | { readonly attachments: readonly Attachment[]; readonly changes: readonly Change[] }
  | (Objection & { readonly networkId: string });

/**
 * A place on each of the guest's networks, all or none. Those that it has and that are what it asks for stay. Every network of which an
 * address is given is among the changes, so that its version guards against two who give the same at once.
 */
export function grantGuest(
  view: View,
  { nodeId, spec, attachments }: Pick<Guest, "nodeId" | "spec" | "attachments">,
): GuestGrant {
  const networks = new Map([...view.all("network")].map((network) => [network.id, network]));
  const ledger = new Ledger(view, networks);
  const places: Attachment[] = [];
  const given: Network[] = [];
  for (const wanted of spec.networks) {
    const held = attachments.find(({ networkId }) => networkId === wanted.target);
    if (held !== undefined && suits(held, wanted)) {
      places.push(held);
      continue;
    }
    const refusal = refusalOf(ledger, wanted, nodeId);
    if (refusal !== undefined) return { ...refusal, networkId: wanted.target };
    const place = ledger.placeAs(wanted.target, wanted);
    const network = networks.get(wanted.target);
    if (place === undefined || network === undefined) continue;
    places.push({ networkId: wanted.target, ...place });
    given.push(network);
  }
  const moved = ledger.moved();
  const changes = given.map((network) => {
    const state = moved.get(network.id);
    return put("network", state === undefined ? network : { ...network, state });
  });
  return { attachments: places, changes };
}

function refusalOf(ledger: Ledger, wanted: GuestNetwork, nodeId: string): Objection | undefined {
  const lack = ledger.refusalToGuest(wanted.target, nodeId);
  return lack === undefined
    ? ledger.objectionTo(wanted.target, wanted)
    : { error: lack, kind: "precondition" };
}

function suits(held: Place, { address, address6 }: GuestNetwork): boolean {
  return (address ?? held.address) === held.address && (address6 ?? held.address6) === held.address6;
}
