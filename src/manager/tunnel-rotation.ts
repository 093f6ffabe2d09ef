import { type Clock, type Log, messageOf, type Random, sleep } from "../lib/index.ts";
import { type Change, put } from "../model/index.ts";
import type { ObjectChange, Store, View } from "../store/index.ts";
import { planRing, ringIsDue, tunnelNeed } from "./tunnel-ring.ts";

export interface TunnelRotationParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const SECRET_BYTES = 32;
/** Pause after a write that failed. */
const RETRY_MS = 1_000;

/** Keeps the cluster's ring of tunnel secrets as `planRing` wants it, until the signal aborts. */
export async function runTunnelRotation(parts: TunnelRotationParts, signal: AbortSignal): Promise<void> {
  const { store, clock, log } = parts;
  let isStale = true;
  const unsubscribe = store.subscribe((changes) => {
    isStale ||= changes.some(concernsRing);
  });
  try {
    let due: number | undefined;
    while (!signal.aborted) {
      const seen = store.version;
      if (isStale || (due !== undefined && due <= clock.now())) {
        isStale = false;
        try {
          await store.mutate((view) => ringChange(view, parts));
          due = dueIn(store.view);
        } catch (error) {
          isStale = true;
          log.warn("keys of encrypted networks not renewed", { error: messageOf(error) });
          await sleep(clock, RETRY_MS, signal).catch(() => undefined);
        }
      } else {
        const wait = due === undefined ? undefined : Math.max(0, due - clock.now());
        await store.waitForChange(seen, signal, wait);
      }
    }
  } finally {
    unsubscribe();
  }
}

/** Networks, the cluster, and who is on which network. */
function concernsRing({ kind, before, after }: ObjectChange): boolean {
  if (kind !== "node") return kind === "network" || kind === "cluster";
  const of = (node: ObjectChange["after"]) =>
    node !== undefined && "attachments" in node ? Object.keys(node.attachments).join() : "";
  return of(before) !== of(after);
}

function ringChange(view: View, { clock, random }: TunnelRotationParts): Change[] {
  const cluster = view.cluster();
  if (cluster === undefined) return [];
  const newSecret = () => Buffer.from(random.bytes(SECRET_BYTES)).toString("base64");
  const { tunnels, ...rest } = cluster;
  const next = planRing(tunnels, tunnelNeed(view), clock.now(), newSecret);
  return next === tunnels ? [] : [put("cluster", { ...rest, ...(next && { tunnels: next }) })];
}

function dueIn(view: View): number | undefined {
  const [ring, need] = [view.cluster()?.tunnels, tunnelNeed(view)];
  return ring === undefined || need === undefined ? undefined : ringIsDue(ring, need);
}
