import type { TreeBackend } from "../api/index.ts";
import { Fault } from "../lib/index.ts";
import type { Containers } from "../runtime/index.ts";

/** The files of containers as the API asks for them: found by any name, and named in errors as they were asked for. */
export function treeBackend(
  { trees }: Pick<Containers, "trees">,
  idOf: (ref: string) => Promise<string>,
): TreeBackend {
  const at = async <T>(ref: string, work: (id: string) => Promise<T>): Promise<T> => {
    const id = await idOf(ref);
    return work(id).catch((error: unknown) => {
      throw calledAs(ref, id, error);
    });
  };
  return {
    stat: (ref, path) => at(ref, (id) => trees.stat(id, path)),
    read: (ref, path, signal) => at(ref, (id) => trees.read(id, path, signal)),
    write: (ref, path, archive, how, signal) => at(ref, (id) => trees.write(id, path, archive, how, signal)),
    export: (ref, signal) => at(ref, (id) => trees.export(id, signal)),
    changes: (ref) => at(ref, (id) => trees.changes(id)),
  };
}

/** Docker says the user's word for the container where it says that there is no such file. */
function calledAs(ref: string, id: string, error: unknown): unknown {
  if (!Fault.is(error, "not-found") || !error.message.endsWith(` ${id}`)) return error;
  return new Fault("not-found", error.message.slice(0, -id.length) + ref, { cause: error });
}
