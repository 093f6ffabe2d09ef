import type { PullProgress } from "../model/index.ts";

/** One line of a pull's stream (moby pkg/jsonmessage JSONMessage). */
export function progressToWire({ id, status, current, total }: PullProgress): Record<string, unknown> {
  const detail = {
    ...(current !== undefined && current > 0 && { current }),
    ...(total !== undefined && total > 0 && { total }),
  };
  return { status, progressDetail: detail, ...(id !== "" && { id }) };
}

/** How a stream that has begun tells of its failure. */
export function streamErrorToWire(message: string): Record<string, unknown> {
  return { errorDetail: { message }, error: message };
}
