import { z } from "zod";
import type { FileKind, FileReference } from "../model/index.ts";
import { goStruct, listOf, maybe, natural, text, unserved } from "./json.ts";
import { invalid } from "./refusal.ts";

const RUNTIME = "cannot use this config: credential specs are Windows'";
const MAX_ID = 2 ** 32 - 2;

/** Docker's uids and gids are text; its nodes read them as numbers, and refuse the task. */
const owner = text.transform((value, context) => {
  const id = value === "" ? 0 : Number(value);
  if (/^\d*$/.test(value) && id <= MAX_ID) return id;
  const message = `invalid owner "${value}" of a secret or config: must be a number`;
  context.issues.push({ code: "custom", message, input: value });
  return z.NEVER;
});

const file = maybe(goStruct({ Name: text, UID: owner, GID: owner, Mode: natural }));

/** What both kinds' references have in common, once their own names are off. */
interface Reference {
  readonly id: string;
  readonly name: string;
  readonly file:
    | { readonly Name: string; readonly UID: number; readonly GID: number; readonly Mode: number }
    | undefined;
}

/** `ContainerSpec.Secrets`; undefined when there are none. */
export const secretReferences: z.ZodType<readonly FileReference[] | undefined> = listOf(
  goStruct({ File: file, SecretID: text, SecretName: text }).transform((wire) => ({
    id: wire.SecretID,
    name: wire.SecretName,
    file: wire.File,
  })),
).transform((list, context) => referencesOf("secret", list, context));

/** `ContainerSpec.Configs`; undefined when there are none. */
export const configReferences: z.ZodType<readonly FileReference[] | undefined> = listOf(
  goStruct({ File: file, Runtime: unserved(RUNTIME), ConfigID: text, ConfigName: text }).transform(
    (wire) => ({ id: wire.ConfigID, name: wire.ConfigName, file: wire.File }),
  ),
).transform((list, context) => referencesOf("config", list, context));

function referencesOf(
  kind: FileKind,
  list: readonly Reference[],
  context: z.RefinementCtx,
): readonly FileReference[] | undefined {
  const wrong = list.map((one) => problemOf(kind, one)).find((problem) => problem !== undefined);
  const problem = wrong ?? conflictIn(kind, list);
  if (problem !== undefined) {
    context.addIssue({ code: "custom", message: invalid(problem).message });
    return z.NEVER;
  }
  const references = list.flatMap(({ id, name, file: at }) =>
    at === undefined ? [] : [{ id, name, file: { name: at.Name, uid: at.UID, gid: at.GID, mode: at.Mode } }],
  );
  return references.length === 0 ? undefined : references;
}

/** swarmkit manager/controlapi/service.go, validateSecretRefsSpec and its twin. */
function problemOf(kind: FileKind, { id, name, file: at }: Reference): string | undefined {
  if (id === "" || name === "") return `malformed ${kind} reference`;
  if (at === undefined) return `malformed ${kind} reference, no target provided`;
  return at.Name === "" ? `malformed file ${kind} reference, invalid target file name provided` : undefined;
}

function conflictIn(kind: FileKind, list: readonly Reference[]): string | undefined {
  const names = new Map<string, string>();
  for (const { name, file: at } of list) {
    const target = at?.Name ?? "";
    const other = names.get(target);
    if (other !== undefined)
      return `${kind} references '${other}' and '${name}' have a conflicting target: '${target}'`;
    names.set(target, name);
  }
  return undefined;
}

export function secretReferenceToWire(reference: FileReference): unknown {
  return { File: fileToWire(reference), SecretID: reference.id, SecretName: reference.name };
}

export function configReferenceToWire(reference: FileReference): unknown {
  return { File: fileToWire(reference), ConfigID: reference.id, ConfigName: reference.name };
}

function fileToWire({ file: { name, uid, gid, mode } }: FileReference): unknown {
  return { Name: name, UID: String(uid), GID: String(gid), Mode: mode };
}
