import type { Problems } from "./problem.ts";
import { isFileName } from "./refusals.ts";
import { type Json, NAMESPACE, type Stack, scoped, type WantedFile } from "./stack.ts";
import type { Content, StackObjects, StackStep } from "./stack-plan.ts";

/** On what we made of a file's content: its key in the file, and which content it has. */
const KEY = "shoal.stack.key";
const VERSION = "shoal.stack.version";

export type FileKind = "secret" | "config";
export type Contents = ReadonlyMap<string, Content>;

/** The key of a file's content among the contents. */
export function contentKey(kind: FileKind, key: string): string {
  return `${kind} ${key}`;
}

export interface FilesPlan {
  readonly steps: readonly StackStep[];
  /** The object's name, by the file's key. */
  readonly names: ReadonlyMap<string, string>;
}

interface Given {
  readonly kind: FileKind;
  readonly files: readonly WantedFile[];
  readonly present: readonly Json[];
  readonly contents: Contents;
  readonly problems: Problems;
}

/** Secrets or configs to make, and what those of the stack are called. */
export function planFiles(given: Given): FilesPlan {
  const { kind, files, present, contents, problems } = given;
  const byName = new Map(present.map((object) => [nameOf(object), object]));
  const names = new Map<string, string>();
  const steps = files.flatMap((file): StackStep[] => {
    const content = contents.get(contentKey(kind, file.key));
    const version = content && versionOf(file, content);
    const name = file.versioned && version !== undefined ? `${file.name}-${version}` : file.name;
    names.set(file.key, name);
    const there = byName.get(name);
    if (file.external && there === undefined)
      problems.error(file.at, `the external ${kind} ${name} is not in the cluster`);
    if (file.external || content === undefined || version === undefined) return [];
    if (!isFileName(name))
      problems.error(file.at, `"${name}" is no ${kind}'s name: at most 64 letters, digits, - _ and .`);
    if (there !== undefined) return tellFixed(file, content, there, given);
    const labels = { ...file.labels, [KEY]: file.key, [VERSION]: version };
    const templating = file.templateDriver && { Templating: { Name: file.templateDriver } };
    const body = { Name: name, Labels: labels, Data: content.base64, ...templating };
    const older = present.some((one) => isVersionOf(file, one));
    const because = older ? `new content of ${file.key}` : undefined;
    return [
      { verb: "create", kind, name, body, changes: [], restarts: [], after: [], ...(because && { because }) },
    ];
  });
  return { steps, names };
}

/** The same content is another thing when it is a template. */
function versionOf({ templateDriver }: WantedFile, { version }: Content): string {
  return templateDriver === undefined ? version : `${version}-${templateDriver}`;
}

/** What has a name of its own cannot change: nothing to do, or an error. */
function tellFixed(file: WantedFile, content: Content, there: Json, { problems }: Given): [] {
  const { key, at, versioned } = file;
  const { Data: data, Labels: labels = {} } = specOf(there) as { Data?: string; Labels?: Json };
  const version = labels[VERSION];
  const differs =
    version === undefined
      ? data !== undefined && data !== content.base64
      : version !== versionOf(file, content);
  if (differs && !versioned)
    problems.error(
      at,
      `the content of ${key} changed, but its name is fixed: leave out \`name\` and each content gets one`,
    );
  return [];
}

const specOf = (object: Json): Json => (object["Spec"] ?? {}) as Json;
const nameOf = (object: Json): string => String(specOf(object)["Name"] ?? "");
const labelsOf = (object: Json): Json => (specOf(object)["Labels"] ?? {}) as Json;

/** True of what we or `docker stack deploy` made earlier of this key. */
function isVersionOf(file: WantedFile, object: Json): boolean {
  const labels = labelsOf(object);
  if (labels[NAMESPACE] !== file.labels[NAMESPACE]) return false;
  return labels[KEY] === file.key || nameOf(object) === file.name;
}

/**
 * Versions that nobody uses any more: no service's words, no words that a rollback would bring back, no task that still runs.
 * `used` are names of services' secrets or configs.
 */
export function planLeftovers(stack: Stack, objects: StackObjects, kept: ReadonlySet<string>): StackStep[] {
  const used = usedNames(objects);
  const of = (kind: FileKind, present: readonly Json[], files: readonly WantedFile[]) =>
    present
      .filter((object) => labelsOf(object)[NAMESPACE] === stack.name)
      .filter(
        (object) =>
          labelsOf(object)[KEY] !== undefined ||
          files.some((f) => nameOf(object) === scoped(stack.name, f.key)),
      )
      .filter((object) => !kept.has(`${kind} ${nameOf(object)}`) && !used.has(`${kind} ${nameOf(object)}`))
      .map((object): StackStep => {
        const because = "no task uses this version any more";
        const id = String(object["ID"]);
        return {
          verb: "remove",
          kind,
          name: nameOf(object),
          id,
          changes: [],
          restarts: [],
          after: [],
          because,
        };
      });
  return [...of("secret", objects.secrets, stack.secrets), ...of("config", objects.configs, stack.configs)];
}

interface Referring {
  readonly TaskTemplate?: { readonly ContainerSpec?: Json };
  readonly ContainerSpec?: Json;
}

const ENDED = new Set(["complete", "shutdown", "failed", "rejected", "orphaned", "remove"]);

function usedNames({ services, tasks }: StackObjects): ReadonlySet<string> {
  const specs = services.flatMap(
    ({ Spec, PreviousSpec }) => [Spec, PreviousSpec] as (Referring | undefined)[],
  );
  const live = tasks.filter(({ Status }) => !ENDED.has(String((Status as Json | undefined)?.["State"])));
  const containers = [
    ...specs.map((spec) => spec?.TaskTemplate?.ContainerSpec),
    ...live.map(({ Spec }) => (Spec as Referring | undefined)?.ContainerSpec),
  ];
  return new Set(
    containers.flatMap((container) => [
      ...names(container, "Secrets", "SecretName").map((name) => `secret ${name}`),
      ...names(container, "Configs", "ConfigName").map((name) => `config ${name}`),
    ]),
  );
}

function names(container: Json | undefined, field: string, name: string): string[] {
  return ((container?.[field] ?? []) as readonly Json[]).map((reference) => String(reference[name]));
}
