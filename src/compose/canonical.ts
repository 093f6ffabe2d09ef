import { serviceSpecFromWire, serviceSpecToWire } from "../wire/index.ts";
import { familiarImage } from "./image.ts";
import { IMAGE, type Json } from "./stack.ts";

/** Names and ids of what services refer to. */
export interface Names {
  /** A network's name by its id; what is no id stays. */
  networkName(target: string): string;
  /** Of the wanted spec: its image gets the digest that the registry has now. What is there has it, or differs. */
  readonly wanted?: boolean;
  /** Digests that the registry has now, by image; an image without one is compared by its name. */
  readonly digests: ReadonlyMap<string, string>;
}

interface Template {
  readonly ContainerSpec?: Json;
  readonly Networks?: readonly Json[];
}

/**
 * A spec in one form, whoever wrote it: Docker's words as Shoal says them, references by name, an image without the digest that
 * was found for it. Two specs that mean the same are then equal.
 */
export function canonicalSpec(spec: Json, names: Names): Json {
  const plain = reread(spec);
  const template = (plain["TaskTemplate"] ?? {}) as Template;
  const container = template.ContainerSpec ?? {};
  const { ForceUpdate: _, Runtime: __, ...rest } = template as Json;
  const { Platforms: ___, ...placement } = (rest["Placement"] ?? {}) as Json;
  return {
    ...plain,
    TaskTemplate: {
      ...rest,
      ContainerSpec: {
        ...container,
        Image: comparedImage(plain, String(container["Image"] ?? ""), names),
        ...referring("Secrets", "SecretID", container),
        ...referring("Configs", "ConfigID", container),
        ...(container["Env"] !== undefined && { Env: [...(container["Env"] as string[])].sort() }),
      },
      Placement: placement,
      ...(template.Networks !== undefined && { Networks: byName(template.Networks, names) }),
    },
  };
}

/** What another engine's cluster holds may be beyond our words; it is then compared as it is. */
function reread(spec: Json): Json {
  try {
    return serviceSpecToWire(serviceSpecFromWire(spec));
  } catch {
    return spec;
  }
}

function comparedImage(spec: Json, image: string, { digests, wanted = false }: Names): string {
  const said = saidImage(spec, image);
  const digest = digests.get(said);
  if (digest === undefined) return said;
  return wanted ? `${said}@${digest}` : image;
}

/** The image as the file says it, in the CLI's form: without the digest that was put to it. */
export function saidImage(spec: Json, image: string): string {
  const label = (spec["Labels"] as Json | undefined)?.[IMAGE];
  const said = typeof label === "string" ? familiarImage(label) : undefined;
  return said !== undefined && image.startsWith(`${said}@sha256:`) ? said : image;
}

function referring(field: string, id: string, container: Json): Json {
  const references = container[field] as readonly Json[] | undefined;
  if (references === undefined) return {};
  const name = id.replace("ID", "Name");
  const plain = references.map(({ [id]: _, ...reference }) => reference as Json);
  return { [field]: plain.toSorted((a, b) => (String(a[name]) < String(b[name]) ? -1 : 1)) };
}

function byName(networks: readonly Json[], { networkName }: Names): Json[] {
  const named = networks.map((one): Json => ({ ...one, Target: networkName(String(one["Target"])) }));
  return named.sort((a, b) => (String(a["Target"]) < String(b["Target"]) ? -1 : 1));
}
