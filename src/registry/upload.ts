import { Fault } from "../lib/index.ts";
import type { Descriptor, Document } from "./manifest.ts";
import type { Reference } from "./reference.ts";
import type { RepositoryCall, Session } from "./session.ts";
import type { BodySource } from "./transport.ts";

export type UploadCall = Pick<RepositoryCall, "credentials" | "signal">;

/** Asks whether the repository has the blob. */
export async function hasBlob(
  session: Session,
  ref: Reference,
  { digest }: Descriptor,
  call: UploadCall,
): Promise<boolean> {
  try {
    const response = await session.call(ref, {
      ...call,
      method: "HEAD",
      path: `blobs/${digest}`,
      intent: "push",
    });
    await response.body.dump();
    return true;
  } catch (error) {
    if (Fault.is(error, "not-found")) return false;
    throw error;
  }
}

/**
 * Puts a blob into the repository in one piece (OCI distribution spec 1.1, "POST then PUT"); the registry checks its digest.
 * `source` gives the bytes, anew for each attempt.
 */
export async function uploadBlob(
  session: Session,
  ref: Reference,
  { digest, size }: Descriptor,
  source: () => AsyncIterable<Uint8Array>,
  call: UploadCall,
): Promise<void> {
  const begun = await session.call(ref, { ...call, method: "POST", path: "blobs/uploads/", intent: "push" });
  await begun.body.dump();
  const location = begun.header("location");
  if (location === undefined) {
    throw new Fault("unavailable", `cannot push blob ${digest}: the registry names no place for it`);
  }
  const at = new URL(location, begun.url);
  at.searchParams.set("digest", digest);
  const body: BodySource = { size, open: source };
  const headers = { "content-type": "application/octet-stream" };
  const done = await session.call(ref, {
    ...{ ...call, method: "PUT", path: at.href, intent: "push", headers },
    ...(size > 0 && { body }),
  });
  await done.body.dump();
}

/** Points `ref` to the manifest; all that it names has to be there. */
export async function putManifest(
  session: Session,
  ref: Reference,
  { descriptor, bytes }: Document,
  call: UploadCall,
): Promise<void> {
  const response = await session.call(ref, {
    ...call,
    method: "PUT",
    path: `manifests/${ref.tag ?? descriptor.digest}`,
    intent: "push",
    headers: { "content-type": descriptor.mediaType },
    body: bytes,
  });
  await response.body.dump();
}
