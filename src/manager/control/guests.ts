import { grantGuest } from "../../allocator/index.ts";
import { equal, Fault } from "../../lib/index.ts";
import {
  type Change,
  type Guest,
  type GuestNetwork,
  type GuestPlace,
  type GuestRefusal,
  type GuestWish,
  newMeta,
  put,
  remove,
} from "../../model/index.ts";
import type { View } from "../../store/index.ts";
import { requireByRef } from "./find.ts";
import type { ControlParts } from "./parts.ts";
import { write } from "./write.ts";

type Places = readonly GuestPlace[];
/** A wish is fulfilled, or why it cannot be. */
export type GuestOutcome = { readonly places: Places } | { readonly refusal: GuestRefusal };

/** Containers made by hand, as the nodes that they run on speak of them. */
export class GuestControl {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  list(): Guest[] {
    return [...this.#parts.store.view.all("guest")];
  }

  /**
   * What the node wishes for one of its containers becomes so, or all stays as it was; asked twice, nothing changes. Refuses in Docker's
   * words a network that is not there, or not attachable, and an address that is taken or not the network's. Faults: the store's.
   */
  async place(nodeId: string, wish: GuestWish): Promise<GuestOutcome> {
    let outcome: GuestOutcome = { places: [] };
    await write(this.#parts.store, (view) => {
      const decided = this.#decide(view, nodeId, wish);
      outcome = "refusal" in decided ? decided : { places: decided.places };
      return "refusal" in decided ? [] : decided.changes;
    });
    return outcome;
  }

  /** Lets go of the node's guests but for these. */
  async keepOnly(nodeId: string, ids: ReadonlySet<string>): Promise<void> {
    await write(this.#parts.store, (view) =>
      [...view.guestsByNode(nodeId)].filter(({ id }) => !ids.has(id)).map((guest) => remove("guest", guest)),
    );
  }

  #decide(
    view: View,
    nodeId: string,
    wish: GuestWish,
  ): { readonly places: Places; readonly changes: readonly Change[] } | { readonly refusal: GuestRefusal } {
    const known = view.get("guest", wish.id);
    if (known !== undefined && known.nodeId !== nodeId)
      return refuse("forbidden", `container ${wish.id} is on another node`);
    if (wish.networks.length === 0) return { places: [], changes: known ? [remove("guest", known)] : [] };
    // A node that was removed comes back under another id, and nobody would let go of what it asked for.
    if (view.get("node", nodeId) === undefined) return refuse("not-found", `node ${nodeId} not found`);
    const places = placesFor(view, wish);
    if ("refusal" in places) return places;
    const networks = wish.networks.map(({ ref: _, used: __, ...words }, i): GuestNetwork => {
      return { ...words, target: places[i]?.networkId ?? "" };
    });
    const wanted = networks.map((words, i) => ({ ...words, ...wish.networks[i]?.used }));
    const spec = { name: wish.name, networks };
    const meta = known ?? newMeta(wish.id, this.#parts.clock.now());
    const grant = grantGuest(view, { nodeId, wanted, attachments: known?.attachments ?? [] });
    if ("error" in grant) {
      const ref = places.find(({ networkId }) => networkId === grant.networkId)?.ref;
      return refuse(grant.kind, grant.error, ref);
    }
    const { attachments, changes } = grant;
    const isSo = known !== undefined && equal({ ...known, spec, attachments }, known);
    return {
      places,
      changes: isSo ? [] : [put("guest", { ...meta, nodeId, spec, attachments }), ...changes],
    };
  }
}

function refuse(kind: GuestRefusal["kind"], message: string, ref = ""): { readonly refusal: GuestRefusal } {
  return { refusal: { kind, message, ref } };
}

/** Which networks the wish's words mean. */
function placesFor(view: View, wish: GuestWish): Places | { readonly refusal: GuestRefusal } {
  const places: GuestPlace[] = [];
  for (const { ref } of wish.networks) {
    const found = findNetwork(view, ref);
    if (found instanceof Fault) return refuse(found.kind, found.message, ref);
    const { id: networkId, spec } = found;
    if (!spec.attachable) {
      const what = `network ${spec.name} not manually attachable`;
      return refuse("forbidden", `rpc error: code = PermissionDenied desc = ${what}`, ref);
    }
    if (places.some((place) => place.networkId === networkId)) {
      const what = `endpoint with name ${wish.name} already exists in network ${spec.name}`;
      return refuse("forbidden", what, ref);
    }
    places.push({ ref, networkId, name: spec.name });
  }
  return places;
}

function findNetwork(view: View, ref: string): ReturnType<typeof requireByRef<"network">> | Fault {
  try {
    return requireByRef(view, "network", ref);
  } catch (error) {
    return Fault.from(error);
  }
}
