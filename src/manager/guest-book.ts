import { Fault, type Log } from "../lib/index.ts";
import type { GuestRefusal } from "../model/index.ts";
import type { GuestAnswer, GuestsMessage } from "../rpc/index.ts";
import type { GuestControl } from "./control/index.ts";

export interface GuestBookParts {
  readonly guests: GuestControl;
  readonly log: Log;
}

/**
 * Does what a node says of its containers made by hand, in the order in which it says it, and answers every wish once it is so. A node
 * speaks for itself alone: whose containers they are is not in the message.
 */
export async function serveGuests(
  { guests, log }: GuestBookParts,
  nodeId: string,
  { complete, wishes }: Omit<GuestsMessage, "kind">,
  answer: (message: GuestAnswer) => void,
): Promise<void> {
  const failed = (error: unknown): { readonly refusal: GuestRefusal } => {
    const { kind, message } = Fault.from(error);
    log.warn("guests not stored", { node: nodeId, error: message });
    return { refusal: { kind, message, ref: "" } };
  };
  // What it could not let go of now, it will with the node's next session.
  if (complete) await guests.keepOnly(nodeId, new Set(wishes.map(({ id }) => id))).catch(failed);
  for (const { number, ...wish } of wishes) {
    const outcome = await guests.place(nodeId, wish).catch(failed);
    const said = { kind: "guest-answer", id: wish.id, number } as const;
    if ("refusal" in outcome) answer({ ...said, places: [], refusal: outcome.refusal });
    else answer({ ...said, places: outcome.places });
  }
}
