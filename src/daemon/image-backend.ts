import type { DistributionInfo, ImageBackend, ImageInfo, PullProgress } from "../api/index.ts";
import {
  parsePlatform,
  parseReference,
  parseRegistryAuth,
  type RegistryClient,
  registryDomain,
} from "../registry/index.ts";
import type { ContainerdImages, Containers, OnProgress } from "../runtime/index.ts";
import type { EventHub } from "./event-hub.ts";

export interface ImageBackendParts {
  readonly images: ContainerdImages;
  readonly containers: Containers;
  readonly registry: RegistryClient;
  readonly events: EventHub;
}

/** runtime's images as the API asks for them, with their events. */
export function imageBackend({ images, containers, registry, events }: ImageBackendParts): ImageBackend {
  const tell = (action: string, actor: string, name = actor) =>
    events.publish({ type: "image", action, scope: "local", actor, attributes: { name } });
  return {
    list: () => images.list(),
    inspect: (ref) => images.inspect(ref),
    async pull(ref, { auth, platform, onProgress, signal }) {
      const pulled = await images.pull(ref, {
        ...(auth !== undefined && { auth }),
        ...(platform !== undefined && { platform: parsePlatform(platform) }),
        onProgress: told(onProgress),
        signal,
      });
      tell("pull", ref);
      return pulled;
    },
    async load(archive, signal) {
      const loaded = await images.load(archive, { signal });
      for (const { id } of loaded) tell("load", id);
      return loaded.flatMap(({ id, names }) =>
        names.length > 0 ? names.map((name) => ({ id, name })) : [{ id }],
      );
    },
    async push(ref, { auth, onProgress, signal }) {
      const pushed = await images.push(ref, {
        ...(auth !== undefined && { auth }),
        onProgress: told(onProgress),
        signal,
      });
      tell("push", ref);
      return pushed;
    },
    async save(refs) {
      const archive = await images.save(refs);
      for (const ref of refs) tell("save", (await images.inspect(ref)).id, ref);
      return archive;
    },
    async login({ server, ...credentials }) {
      await registry.login(registryDomain(server), { credentials });
    },
    async tag(source, target) {
      await images.tag(source, target);
      tell("tag", (await images.inspect(target)).id, target);
    },
    async remove(ref, force) {
      const removed = await images.remove(ref, { force, usersOf: (image) => usersOf(containers, image) });
      for (const row of removed) {
        if ("untagged" in row) tell("untag", row.untagged);
        else tell("delete", row.deleted);
      }
      return removed;
    },
    async distribution(ref, auth): Promise<DistributionInfo> {
      const { descriptor, platforms } = await registry.distribution(parseReference(ref), {
        ...(auth !== undefined && { credentials: parseRegistryAuth(auth) }),
      });
      return {
        descriptor,
        platforms: platforms.map(({ architecture = "", os = "", variant }) => ({
          architecture,
          os,
          ...(variant !== undefined && { variant }),
        })),
      };
    },
  };
}

/** runtime's steps as the API tells them. */
function told(onProgress: (step: PullProgress) => void): OnProgress {
  return ({ id = "", status, progressDetail }) => onProgress({ id, status, ...progressDetail });
}

async function usersOf(
  containers: Containers,
  image: Pick<ImageInfo, "id">,
): Promise<{ containerId: string; isRunning: boolean }[]> {
  const all = await containers.list();
  return all
    .filter((container) => container.imageId === image.id)
    .map(({ id, status }) => ({ containerId: id, isRunning: status === "running" }));
}
