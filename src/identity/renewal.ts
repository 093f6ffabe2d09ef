import {
  type Clock,
  Fault,
  type Instant,
  type Log,
  messageOf,
  type Random,
  randomFloat,
  sleep,
} from "../lib/index.ts";
import type { CertificateFacts } from "./certificate-facts.ts";
import { createNodeKey } from "./csr.ts";
import { BACKDATE_MS } from "./dates.ts";
import { type NodeIdentity, requireIdentity } from "./identity-folder.ts";

/** What the renewal of a node's certificate needs. */
export interface RenewalParts {
  /** The identity in force. */
  current(): NodeIdentity;
  /** Takes a new identity into force: to disk, to the server and to the next connection. */
  adopt(identity: NodeIdentity): void | Promise<void>;
  /** Has a manager certify a new key. */
  renew(csrPem: string): Promise<{ readonly certificatePem: string; readonly rootPem: string }>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const FIRST_RETRY_MS = 5_000;
const MAX_RETRY_MS = 3_600_000;

/** When to renew: evenly spread from 50 to 80 % of the certificate's life (swarmkit ca/config.go). */
export function renewalInstant(
  { notBefore, notAfter }: Pick<CertificateFacts, "notBefore" | "notAfter">,
  random: Random,
): Instant {
  const from = notBefore + BACKDATE_MS;
  return from + (notAfter - from) * (0.5 + 0.3 * randomFloat(random));
}

/** Renews the certificate in time until the signal aborts. Failures are tried again, from 5 s up to every hour. */
export async function runRenewal(parts: RenewalParts, signal: AbortSignal): Promise<void> {
  const { clock, random, log } = parts;
  let retry = FIRST_RETRY_MS;
  let due = renewalInstant(parts.current(), random);
  while (!signal.aborted) {
    await sleep(clock, Math.max(0, due - clock.now()), signal).catch(() => undefined);
    if (signal.aborted) return;
    if (clock.now() < due) continue;
    try {
      const identity = await renewOnce(parts);
      log.info("certificate renewed", { node: identity.nodeId, role: identity.role });
      retry = FIRST_RETRY_MS;
      due = renewalInstant(identity, random);
    } catch (error) {
      log.warn("certificate not renewed, trying again", { error: messageOf(error), retryMs: retry });
      due = clock.now() + retry;
      retry = Math.min(2 * retry, MAX_RETRY_MS);
    }
  }
}

async function renewOnce(parts: RenewalParts): Promise<NodeIdentity> {
  const { current, adopt, renew, clock } = parts;
  const before = current();
  const { keyPem, csrPem } = await createNodeKey();
  const identity = requireIdentity({ ...(await renew(csrPem)), keyPem }, clock.now());
  if (identity.nodeId !== before.nodeId || identity.clusterId !== before.clusterId) {
    throw new Fault("unauthorized", "cannot renew this node's certificate: the answer is for another node");
  }
  await adopt(identity);
  return identity;
}
