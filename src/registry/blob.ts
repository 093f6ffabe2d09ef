import { createHash } from "node:crypto";
import { type Clock, Fault, type Log, messageOf, sleep } from "../lib/index.ts";
import type { Descriptor } from "./manifest.ts";
import type { Reference } from "./reference.ts";
import type { RepositoryCall, Session } from "./session.ts";
import { type HttpResponse, isPassing } from "./transport.ts";

/** How often in a row a download may break without one new byte. */
const MAX_BREAKS = 5;
const FIRST_BACKOFF_MS = 200;

export interface BlobParts {
  readonly session: Session;
  readonly clock: Clock;
  readonly log: Log;
}

export type BlobCall = Pick<RepositoryCall, "credentials" | "signal"> & {
  /** Where to begin, in bytes: what the caller has already. The digest is then the caller's to check. */
  readonly offset?: number;
};

/**
 * The bytes of a blob. A broken download goes on where it broke. Size and digest are checked at the end,
 * before the iterator says that it is done: Fault "invalid" when they do not fit.
 */
export async function* readBlob(
  { session, clock, log }: BlobParts,
  ref: Reference,
  blob: Descriptor,
  call: BlobCall,
): AsyncGenerator<Uint8Array, void, undefined> {
  const start = call.offset ?? 0;
  const hash = start === 0 ? createHash("sha256") : undefined;
  let at = start;
  for (let breaks = 0; at < blob.size; ) {
    const from = at;
    try {
      const response = await session.call(ref, requestOf(blob, from, call));
      for await (const chunk of bodyFrom(response, from)) {
        at += chunk.length;
        if (at > blob.size)
          throw new Fault("invalid", `cannot read blob ${blob.digest}: it is over ${blob.size} bytes`);
        hash?.update(chunk);
        yield chunk;
      }
      if (at === blob.size) break;
      throw new Broken(`it ended after ${at} of ${blob.size} bytes`);
    } catch (error) {
      if (call.signal?.aborted) throw call.signal.reason;
      breaks = at > from ? 1 : breaks + 1;
      if (!(error instanceof Broken || isPassing(error)) || breaks > MAX_BREAKS) throw faultOf(blob, error);
      log.debug("blob download goes on", { digest: blob.digest, offset: at, reason: messageOf(error) });
      await sleep(clock, FIRST_BACKOFF_MS * 2 ** (breaks - 1), call.signal);
    }
  }
  const found = hash && `sha256:${hash.digest("hex")}`;
  if (found !== undefined && found !== blob.digest) {
    throw new Fault("invalid", `filesystem layer verification failed for digest ${blob.digest}`);
  }
}

/** A body that ended early; undici reports it so only when it knows the length. */
class Broken extends Error {}

function requestOf(blob: Descriptor, from: number, call: BlobCall): RepositoryCall {
  return {
    method: "GET",
    path: `blobs/${blob.digest}`,
    headers: { "accept-encoding": "identity", ...(from > 0 && { range: `bytes=${from}-` }) },
    credentials: call.credentials,
    signal: call.signal,
  };
}

/** The body from byte `from` on, whether or not the server took notice of the range. */
async function* bodyFrom(response: HttpResponse, from: number): AsyncGenerator<Uint8Array, void, undefined> {
  const said = /^bytes (\d+)-/.exec(response.header("content-range") ?? "")?.[1];
  let skip = from - (response.status === 206 ? Number(said ?? from) : 0);
  if (skip < 0) throw new Fault("invalid", "cannot read blob: the registry left out a part of the range");
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    if (skip >= chunk.length) skip -= chunk.length;
    else {
      yield skip === 0 ? chunk : chunk.subarray(skip);
      skip = 0;
    }
  }
}

function faultOf(blob: Descriptor, error: unknown): Fault {
  if (error instanceof Fault) return error;
  return new Fault("unavailable", `cannot read blob ${blob.digest}: ${messageOf(error)}`, { cause: error });
}
