import { Fault } from "../../lib/index.ts";
import type { Backends } from "../backends.ts";
import { progressStream } from "../progress.ts";
import { registryAuthOf } from "../registry-auth.ts";
import type { ApiRequest, ApiResponse } from "../route.ts";

/** POST /images/create: pulls an image and tells how it goes. */
export async function pull(request: ApiRequest, { images }: Backends): Promise<ApiResponse> {
  const ref = imageAsked(request.query);
  const auth = registryAuthOf(request.headers);
  const platform = request.query.get("platform") ?? "";
  return progressStream({
    ifSilent: { status: `Status: Image is up to date for ${ref}` },
    async begin(onProgress) {
      await images.pull(ref, {
        ...(auth !== undefined && { auth }),
        ...(platform !== "" && { platform }),
        onProgress,
        signal: request.signal,
      });
      return [];
    },
  });
}

/** fromImage=library/redis&tag=3.2, or tag=sha256:…; no tag is the backend's default. */
function imageAsked(query: URLSearchParams): string {
  if (query.get("fromSrc")) {
    throw new Fault(
      "unsupported",
      "making an image from an archive of files (docker import) is not supported yet",
    );
  }
  const [name, tag] = [query.get("fromImage") ?? "", query.get("tag") ?? ""];
  if (tag === "") return name;
  return `${name}${tag.includes(":") ? "@" : ":"}${tag}`;
}
