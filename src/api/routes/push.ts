import { pushedToWire } from "../../wire/index.ts";
import type { Backends } from "../backends.ts";
import { progressStream } from "../progress.ts";
import { registryAuthOf } from "../registry-auth.ts";
import type { ApiRequest, ApiResponse } from "../route.ts";

/** POST /images/{name}/push: one tag, or without one all of the repository's; tells how it goes. */
export async function push(
  { query, headers, signal }: ApiRequest,
  { images }: Backends,
  name: string,
): Promise<ApiResponse> {
  const auth = registryAuthOf(headers);
  const tag = query.get("tag") ?? "";
  return progressStream({
    ifSilent: {},
    async begin(onProgress) {
      const options = { ...(auth !== undefined && { auth }), onProgress, signal };
      const pushed = await images.push(tag === "" ? name : `${name}:${tag}`, options);
      return pushed.map(pushedToWire);
    },
  });
}
