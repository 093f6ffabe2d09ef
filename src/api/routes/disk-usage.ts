import { Fault } from "../../lib/index.ts";
import { diskUsageToWire } from "../../wire/index.ts";
import type { Backends } from "../backends.ts";
import { type ApiRequest, type ApiResponse, json, type Route } from "../route.ts";

/** moby api/types/types.go DiskUsageObject, as far as a node has such. */
const TYPES: readonly string[] = ["container", "image", "volume", "build-cache"];

/** GET /system/df, all of it or what `type` names. */
async function diskUsage({ query, clock }: ApiRequest, backends: Backends): Promise<ApiResponse> {
  const types = query.getAll("type");
  const unknown = types.find((type) => !TYPES.includes(type));
  if (unknown !== undefined) throw new Fault("invalid", `unknown object type: ${unknown}`);
  const isAsked = (type: string) => types.length === 0 || types.includes(type);
  const { containers, images, volumes } = backends;
  const [users, allImages, allVolumes] = await Promise.all([
    containers.list(),
    images.list(),
    isAsked("volume") ? volumes.list() : [],
  ]);
  const usage = {
    images: allImages,
    containers: await Promise.all(
      users.map(async (container) => ({ container, bytes: await containers.bytesOf(container.id) })),
    ),
    volumes: await Promise.all(
      allVolumes
        .filter(isOnDisk)
        .map(async (volume) => ({ volume, bytes: await volumes.bytesOf(volume.name) })),
    ),
  };
  return json(200, pick(diskUsageToWire(usage, clock.now()), isAsked));
}

/** As with Docker, what is mounted in a volume's place is not counted (moby volume/service/service.go, LocalVolumesSize). */
function isOnDisk({ options }: Awaited<ReturnType<Backends["volumes"]["get"]>>): boolean {
  return Object.keys(options).length === 0;
}

const PARTS: Readonly<Record<string, readonly string[]>> = {
  image: ["LayersSize", "Images"],
  container: ["Containers"],
  volume: ["Volumes"],
  "build-cache": ["BuildCache", "BuilderSize"],
};

function pick(all: Readonly<Record<string, unknown>>, isAsked: (type: string) => boolean): object {
  const keys = Object.entries(PARTS).flatMap(([type, names]) => (isAsked(type) ? names : []));
  return Object.fromEntries(keys.map((key) => [key, all[key]]));
}

/** What takes disk space. */
export const diskUsageRoutes: readonly Route[] = [{ method: "GET", path: "/system/df", handle: diskUsage }];
