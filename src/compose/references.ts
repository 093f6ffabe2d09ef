import type { FileWords } from "./file-reference.ts";
import type { Problems } from "./problem.ts";
import type { Said } from "./read.ts";
import type { Json, WantedFile } from "./stack.ts";

const USUAL_MODE = 0o444;
/** In Docker's JSON, until planning knows which object has the content. */
const FIELDS = { secret: ["SecretID", "SecretName"], config: ["ConfigID", "ConfigName"] } as const;

/** A service's references to secrets or configs, by their keys in the file. */
export function resolveReferences(
  kind: "secret" | "config",
  words: readonly Said<Partial<FileWords>>[],
  known: ReadonlyMap<string, WantedFile>,
  problems: Problems,
): Json[] {
  const [id, name] = FIELDS[kind];
  const nameOf = (one: Said<Partial<FileWords>>) => known.get(one.value.source ?? "")?.name ?? "";
  const sorted = words.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  return sorted.flatMap(({ value, at }) => {
    const { source = "", target = source, uid = "0", gid = "0", mode = USUAL_MODE } = value;
    if (!known.has(source))
      return problems.error(at, `there is no ${kind} ${source}: name it under ${kind}s`) ?? [];
    return [{ File: { Name: target, UID: uid, GID: gid, Mode: mode }, [id]: source, [name]: source }];
  });
}
