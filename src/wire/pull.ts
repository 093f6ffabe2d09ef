import type { PullProgress, PushedTag } from "../model/index.ts";

/** One line of a pull's stream (moby pkg/jsonmessage JSONMessage). */
export function progressToWire({ id, status, current, total }: PullProgress): Record<string, unknown> {
  const detail = {
    ...(current !== undefined && current > 0 && { current }),
    ...(total !== undefined && total > 0 && { total }),
  };
  return { status, progressDetail: detail, ...(id !== "" && { id }) };
}

/** The line by which a push tells what a tag points to now (moby api/types PushResult). */
export function pushedToWire({ tag, digest, size }: PushedTag): Record<string, unknown> {
  return { progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: size } };
}

/** How a stream that has begun tells of its failure. */
export function streamErrorToWire(message: string): Record<string, unknown> {
  return { errorDetail: { message }, error: message };
}
