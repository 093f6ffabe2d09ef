import type { MountWords } from "./mount-words.ts";
import { joinPath } from "./path.ts";
import type { Position, Problems } from "./problem.ts";
import type { Said } from "./read.ts";
import type { ServiceWords } from "./service-words.ts";
import { type Json, scoped, stackLabels } from "./stack.ts";
import type { VolumeWords } from "./stack-words.ts";
import { parseBytes } from "./units.ts";

interface Around {
  readonly stack: string;
  readonly problems: Problems;
  /** The user's own folder, for `~`. */
  readonly home: string | undefined;
  folderOf(file: string): string;
}

/** A service's mounts in Docker's JSON; binds as absolute paths, volumes by their names in the cluster. */
export function resolveMounts(
  words: Partial<ServiceWords>,
  volumes: ReadonlyMap<string, Said<Partial<VolumeWords>>>,
  around: Around,
): Json[] {
  const mounts = (words.volumes ?? []).map(({ value, at }) => {
    const base = {
      Type: value.type ?? "volume",
      ...(value.target !== undefined && { Target: value.target }),
      ...(value.read_only === true && { ReadOnly: true }),
      ...(value.consistency !== undefined && { Consistency: value.consistency }),
    };
    if (value.type === "bind") return { ...base, ...bind(value, at, around) };
    if (value.type === "tmpfs") return { ...base, ...tmpfs(value) };
    return { ...base, ...volume(value, at, volumes, around) };
  });
  return [...mounts, ...(words.tmpfs ?? []).map(shortTmpfs)];
}

function bind({ source = "", bind: options }: Partial<MountWords>, at: Position, around: Around): Json {
  const path = source.startsWith("~") ? `${around.home ?? "~"}${source.slice(1)}` : source;
  return {
    Source: joinPath(around.folderOf(at.file), path),
    ...(options?.propagation !== undefined && { BindOptions: { Propagation: options.propagation } }),
  };
}

function tmpfs({ tmpfs: options }: Partial<MountWords>): Json {
  if (options === undefined) return {};
  return {
    TmpfsOptions: { SizeBytes: options.size ?? 0, ...(options.mode !== undefined && { Mode: options.mode }) },
  };
}

/** `/run:size=64m,mode=1777`. */
function shortTmpfs(said: string): Json {
  const [target = "", options = ""] = said.split(":");
  const size = /(?:^|,)size=([^,]+)/.exec(options)?.[1];
  const mode = /(?:^|,)mode=([0-7]+)/.exec(options)?.[1];
  const fields = {
    ...(size !== undefined && { SizeBytes: parseBytes(size) ?? 0 }),
    ...(mode !== undefined && { Mode: Number.parseInt(mode, 8) }),
  };
  return { Type: "tmpfs", Target: target, ...(Object.keys(fields).length > 0 && { TmpfsOptions: fields }) };
}

function volume(
  { source, volume: options }: Partial<MountWords>,
  at: Position,
  volumes: ReadonlyMap<string, Said<Partial<VolumeWords>>>,
  { stack, problems }: Around,
): Json {
  const own = {
    ...(options?.nocopy === true && { NoCopy: true }),
    ...(options?.subpath !== undefined && { Subpath: options.subpath }),
  };
  if (source === undefined) return options === undefined ? {} : { VolumeOptions: own };
  const words = volumes.get(source)?.value;
  if (words === undefined)
    return problems.error(at, `there is no volume ${source}: name it under volumes`) ?? {};
  const external = words.external !== undefined && words.external !== false;
  const fixed = typeof words.external === "string" ? words.external : words.name;
  if (external) return { Source: fixed ?? source, VolumeOptions: own };
  const { driver, driver_opts: driverOptions } = words;
  const made = driver !== undefined || driverOptions !== undefined;
  const all = [...(driverOptions ?? [])].map(([key, value]) => [key, value ?? ""]);
  return {
    Source: fixed ?? scoped(stack, source),
    VolumeOptions: {
      ...own,
      Labels: stackLabels(stack, words.labels),
      ...(made && { DriverConfig: { ...(driver && { Name: driver }), Options: Object.fromEntries(all) } }),
    },
  };
}
