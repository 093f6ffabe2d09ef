import type { Position, Problems } from "./problem.ts";
import { bytes, flag, ignored, mode, object, type Read, refused, text, word } from "./read.ts";

export interface MountWords {
  type: "volume" | "bind" | "tmpfs";
  source: string;
  target: string;
  read_only: boolean;
  consistency: string;
  bind: Partial<{ propagation: string; create_host_path: boolean }>;
  volume: Partial<{ nocopy: boolean; subpath: string; labels: never }>;
  tmpfs: Partial<{ size: number; mode: number }>;
}

const long = object<MountWords & Record<string, unknown>>("a mount", {
  type: word("volume", "bind", "tmpfs"),
  source: text,
  target: text,
  read_only: flag,
  consistency: text,
  bind: object("bind", {
    propagation: text,
    create_host_path: ignored("create_host_path is ignored: the folder must be on the node"),
    selinux: ignored("selinux is ignored: no node labels anything"),
    recursive: refused("recursive is not known to a swarm of Shoal"),
  }),
  volume: object("volume", {
    nocopy: flag,
    subpath: text,
    labels: ignored("labels belong to the volume, under the stack's volumes"),
  }),
  tmpfs: object("tmpfs", { size: bytes, mode }),
  image: refused("mounts of images are not served"),
  cluster: refused("cluster volumes are not served"),
} as never) as unknown as Read<Partial<MountWords>>;

/** A mount: `[source:]target[:options]`, or the long form. A source that is a path is a bind. */
export const mount: Read<Partial<MountWords>> = (tree, problems, at) => {
  if (tree.kind === "scalar") return shortMount(String(tree.value ?? ""), tree.at, problems);
  const words = long(tree, problems, at);
  if (words === undefined) return undefined;
  if (words.target === undefined) return problems.error(tree.at, "a mount must say its target");
  if (words.type === undefined)
    return problems.error(tree.at, "a mount must say its type: volume, bind or tmpfs");
  if (words.type === "bind" && words.source === undefined)
    return problems.error(tree.at, "a bind must say its source");
  return words;
};

const PROPAGATIONS = new Set(["rprivate", "private", "rshared", "shared", "rslave", "slave"]);
const MEANINGLESS = new Set(["rw", "z", "Z", "cached", "delegated", "consistent"]);

function shortMount(said: string, at: Position, problems: Problems): Partial<MountWords> | undefined {
  const parts = said.split(":");
  if (said === "" || parts.length > 3 || parts.some((part) => part === ""))
    return problems.error(at, `cannot read the mount "${said}": it is written [source:]target[:options]`);
  const [first = "", target, options = ""] = parts;
  if (target === undefined) return { type: "volume", target: first };
  const isPath = /^[./~]/.test(first);
  return optioned({ type: isPath ? "bind" : "volume", source: first, target }, options, at, problems);
}

function optioned(words: Partial<MountWords>, options: string, at: Position, problems: Problems) {
  let mount = words;
  for (const option of options.split(",").filter((one) => one !== "")) {
    if (option === "ro") mount = { ...mount, read_only: true };
    else if (option === "nocopy") mount = { ...mount, volume: { nocopy: true } };
    else if (PROPAGATIONS.has(option)) mount = { ...mount, bind: { propagation: option } };
    else if (!MEANINGLESS.has(option)) problems.error(at, `a mount has no option ${option}`);
  }
  return mount;
}
