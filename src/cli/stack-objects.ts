import type { EngineClient } from "../client/index.ts";
import { type Json, NAMESPACE, type Stack, type StackObjects } from "../compose/index.ts";
import type { RegistryLogins } from "./registry-logins.ts";

/** What docker's own stack commands filter by. */
export const ofStack = (name: string): Json => ({ label: { [`${NAMESPACE}=${name}`]: true } });

/** What the cluster has that planning a stack looks at. */
export async function readObjects(client: EngineClient, stack: string): Promise<StackObjects> {
  const [networks, secrets, configs, services, tasks] = await Promise.all([
    client.get<Json[]>("/networks"),
    client.get<Json[]>("/secrets"),
    client.get<Json[]>("/configs"),
    client.get<Json[]>("/services"),
    client.get<Json[]>("/tasks", { filters: ofStack(stack) }),
  ]);
  return { networks, secrets, configs, services, tasks };
}

/** What a registry says that an image is now. */
export interface ImageFacts {
  readonly digest: string;
  readonly platforms: readonly Json[];
}

interface Distribution {
  readonly Descriptor: { readonly digest: string };
  readonly Platforms?: readonly { readonly architecture?: string; readonly os?: string }[];
}

/** Asks the daemon for the images of a stack; `warn` hears of those that no registry answers for. */
export async function readImages(
  client: EngineClient,
  stack: Stack,
  logins: RegistryLogins,
  warn: (sentence: string) => void,
): Promise<ReadonlyMap<string, ImageFacts>> {
  const images = new Set(
    stack.services.map(({ spec }) => imageOf(spec)).filter((image) => !image.includes("@")),
  );
  const asked = [...images].map(async (image): Promise<[string, ImageFacts][]> => {
    try {
      const { Descriptor, Platforms = [] } = await client.get<Distribution>(
        `/distribution/${image}/json`,
        {},
        logins.headersFor(image),
      );
      const platforms = Platforms.map(({ architecture = "", os = "" }) => ({
        Architecture: architecture,
        OS: os,
      }));
      return [[image, { digest: Descriptor.digest, platforms }]];
    } catch {
      warn(`no registry says what ${image} is now: each node may take another`);
      return [];
    }
  });
  return new Map((await Promise.all(asked)).flat());
}

/** The image that a service spec in Docker's JSON names. */
export function imageOf(spec: Json): string {
  const template = spec["TaskTemplate"] as { readonly ContainerSpec: { readonly Image?: string } };
  return template.ContainerSpec.Image ?? "";
}
