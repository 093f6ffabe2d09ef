import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parse } from "yaml";

/** The folder of the example stacks. */
export const STACKS: string = resolve(import.meta.dirname, "../../examples/stacks");

/** All of them, relative to that: "n8n.yml", "vault/stack.yml". */
export const STACK_FILES: readonly string[] = readdirSync(STACKS, { recursive: true, encoding: "utf8" })
  .filter((name) => /^[\w-]+\.yml$|\/stack\.yml$/.test(name))
  .sort();

/** "vault" for "vault/stack.yml": what its deployment is called. */
export function stackNameOf(file: string): string {
  return file.replace(/\/stack\.yml$|\.yml$/, "");
}

type Volume = string | { readonly type: string; readonly source?: string; readonly target: string };

export interface StackService {
  readonly image: string;
  readonly entrypoint?: string | readonly string[];
  readonly volumes?: readonly Volume[];
  readonly healthcheck?: { readonly disable?: boolean };
}

export interface StackFile {
  readonly services: Readonly<Record<string, StackService>>;
  readonly secrets?: Readonly<Record<string, { readonly file: string }>>;
  readonly configs?: Readonly<Record<string, { readonly file: string }>>;
}

/** A stack as its file says it. */
export function readStack(file: string): StackFile {
  return parse(readFileSync(join(STACKS, file), "utf8"), { merge: true });
}

/** The names of all images that the stacks run, as the files say them. */
export function imagesOfStacks(): string[] {
  const images = STACK_FILES.flatMap((file) =>
    Object.values(readStack(file).services).map((one) => one.image),
  );
  return [...new Set(images)].sort();
}

/** What a lab has in the place of what a node of its own would have. */
export interface LabPlaces {
  /** Empty, for this lab alone. */
  readonly folder: string;
  /** `ADDRESS:PORT` of the registry in the place of those that are not docker.io. */
  readonly registry: string;
  /** The name of each node → the socket of its daemon. */
  readonly sockets: ReadonlyMap<string, string>;
}

/** Paths of a node that are files. */
const FILES: Readonly<Record<string, string>> = { "/etc/timezone": "Etc/UTC\n" };
const SOCKET = "/var/run/docker.sock";

/**
 * A second file for `-c`, and its path: images of registries that a lab cannot reach come from the lab's own, and a bind finds
 * its node's own path in a folder of the lab: the hosts of a lab share this machine's files, which are not theirs. Only `/` is.
 */
export function overrideFor(file: string, places: LabPlaces): string {
  const services = Object.entries(readStack(file).services).map(([name, service]) => {
    const image = /^[^/]+\.[^/]+\//.test(service.image) && !service.image.startsWith("docker.io/");
    const binds = (service.volumes ?? []).flatMap((volume) => bindIn(volume, places));
    return [
      name,
      {
        ...(image && { image: service.image.replace(/^[^/]+/, places.registry) }),
        ...(binds.length > 0 && { volumes: binds }),
      },
    ];
  });
  const path = join(places.folder, `${stackNameOf(file)}.override.yml`);
  writeFileSync(path, JSON.stringify({ version: versionOf(file), services: Object.fromEntries(services) }));
  return path;
}

/** Files that are merged must be of one version. */
function versionOf(file: string): string {
  return parse(readFileSync(join(STACKS, file), "utf8")).version ?? "3.13";
}

function bindIn(volume: Volume, places: LabPlaces): object[] {
  const bind = typeof volume === "string" ? fromShort(volume) : volume;
  const source = bind.source ?? "";
  if (bind.type !== "bind" || source === "/") return [];
  for (const [node, socket] of places.sockets) makePlace(join(places.folder, node), source, socket);
  return [{ ...bind, source: join(places.folder, "{{.Node.Hostname}}", source) }];
}

function fromShort(text: string): { type: string; source: string; target: string; read_only: boolean } {
  const [source = "", target = "", mode = ""] = text.split(":");
  return { type: source.startsWith("/") ? "bind" : "volume", source, target, read_only: mode === "ro" };
}

function makePlace(node: string, source: string, socket: string): void {
  const path = join(node, source);
  mkdirSync(dirname(path), { recursive: true });
  const text = FILES[source];
  if (source === SOCKET) linked(socket, path);
  else if (text !== undefined) writeFileSync(path, text);
  else mkdirSync(path, { recursive: true });
}

/** A container's mount is of what the link leads to. */
function linked(target: string, path: string): void {
  try {
    symlinkSync(target, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
