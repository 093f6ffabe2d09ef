import { readDotenv } from "./dotenv.ts";
import { joinPath } from "./path.ts";
import type { Problems } from "./problem.ts";
import type { ServiceWords } from "./service-words.ts";
import type { Lookup } from "./substitute.ts";

interface Around {
  readonly problems: Problems;
  readonly lookup: Lookup;
  folderOf(file: string): string;
  read(path: string): string | undefined;
}

export interface Environment {
  /** `NAME=value`, sorted; a name alone when nobody set it. */
  readonly env: readonly string[];
  readonly labels: ReadonlyMap<string, string | undefined>;
}

/** A service's variables and labels: those of its files, then its own. */
export function resolveEnvironment(words: Partial<ServiceWords>, around: Around): Environment {
  const { lookup, problems } = around;
  const found = new Map<string, string | undefined>();
  for (const { value, at } of words.env_file ?? []) {
    const path = joinPath(around.folderOf(at.file), value.path ?? "");
    const text = around.read(path);
    if (text === undefined && value.required !== false)
      problems.error(at, `cannot read the env file ${path}`);
    const raw = value.format === "raw";
    for (const one of text === undefined ? [] : readDotenv(path, text, { lookup, problems, raw }))
      found.set(one.name, one.value ?? lookup(one.name));
  }
  for (const [name, value] of words.environment ?? []) found.set(name, value ?? lookup(name));
  const env = [...found].map(([name, value]) => (value === undefined ? name : `${name}=${value}`));
  return { env: env.sort(), labels: labelsOf(words, around) };
}

function labelsOf(words: Partial<ServiceWords>, around: Around): ReadonlyMap<string, string | undefined> {
  const found = new Map<string, string | undefined>();
  for (const { value, at } of words.label_file ?? []) {
    const path = joinPath(around.folderOf(at.file), value);
    const text = around.read(path);
    if (text === undefined) around.problems.error(at, `cannot read the label file ${path}`);
    for (const one of text === undefined ? [] : readDotenv(path, text, around))
      found.set(one.name, one.value);
  }
  for (const [name, value] of words.labels ?? []) found.set(name, value);
  return found;
}
