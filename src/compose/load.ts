import { type Assignment, readDotenv } from "./dotenv.ts";
import { interpolate } from "./interpolate.ts";
import { mergeTrees, withoutResets } from "./merge.ts";
import { folderOf, joinPath } from "./path.ts";
import { formatPosition, type Position, type Problems } from "./problem.ts";
import { list, object, oneOrList, type Said, said, text } from "./read.ts";
import type { Lookup } from "./substitute.ts";
import { type Entry, kindOf, type MapTree, mapTree, type Tree, valueAt } from "./tree.ts";
import { readYaml } from "./yaml.ts";

/** What stack files are read from; nothing else of the machine is looked at. */
export interface StackSource {
  /** In the order in which they are merged. */
  readonly files: readonly string[];
  /** The folder that relative paths of these files begin at. */
  readonly folder: string;
  /** The words of the environment, before those of `.env`. */
  readonly env: Lookup;
  /** Files of assignments beside the environment; without any, `.env` of the folder if it is there. */
  readonly envFiles: readonly string[];
  /** A file's text; undefined when it cannot be read. */
  read(path: string): string | undefined;
}

/** All files as one tree: interpolated, included, merged, extended. */
export interface Loaded {
  readonly tree: MapTree;
  readonly lookup: Lookup;
  /** False when a file could not be read at all: what the rest lacks is then no news. */
  readonly complete: boolean;
  /** The folder that paths said in a file begin at. */
  folderOf(file: string): string;
}

/** Reads and joins the files of a source. What is wrong is told to `problems`. */
export function loadTree(source: StackSource, problems: Problems): Loaded {
  const folders = new Map<string, string>();
  const loader = new Loader(source, problems, folders);
  const lookup = loader.lookupOf(source.folder, source.envFiles, source.env);
  const tree = loader.project(source.files, source.folder, lookup, []);
  const complete = !loader.lost;
  return {
    tree: asMap(withoutResets(tree)),
    lookup,
    complete,
    folderOf: (file) => folders.get(file) ?? source.folder,
  };
}

const SECTIONS = ["services", "networks", "volumes", "secrets", "configs"] as const;
const nowhere: Position = { file: "", line: 1, column: 1 };
const asMap = (tree: Tree): MapTree => (tree.kind === "map" ? tree : mapTree(tree.at, []));

interface IncludeWords {
  path: Said<string>[];
  project_directory: string;
  env_file: string[];
}
const includeWords = object<IncludeWords>("an include", {
  path: oneOrList(said(text)),
  project_directory: text,
  env_file: oneOrList(text),
});

class Loader {
  readonly #source: StackSource;
  readonly #problems: Problems;
  readonly #folders: Map<string, string>;
  /** A file was not there, or was no YAML. */
  lost = false;

  constructor(source: StackSource, problems: Problems, folders: Map<string, string>) {
    this.#source = source;
    this.#problems = problems;
    this.#folders = folders;
  }

  /** The environment, then what env files say. */
  lookupOf(folder: string, files: readonly string[], env: Lookup): Lookup {
    const found = new Map<string, string>();
    const lookup: Lookup = (name) => env(name) ?? found.get(name);
    const paths = files.length > 0 ? files.map((path) => joinPath(folder, path)) : [joinPath(folder, ".env")];
    for (const path of paths) {
      const content = this.#source.read(path);
      if (content === undefined && files.length > 0)
        this.#problems.error({ ...nowhere, file: path }, "cannot read this env file");
      const said =
        content === undefined ? [] : readDotenv(path, content, { lookup, problems: this.#problems });
      for (const { name, value } of said as Assignment[]) if (value !== undefined) found.set(name, value);
    }
    return lookup;
  }

  /** Some files merged into one, with what they include. `from` are the files that led here. */
  project(files: readonly string[], folder: string, lookup: Lookup, from: readonly string[]): Tree {
    let whole: Tree = mapTree({ ...nowhere, file: files[0] ?? "" }, []);
    for (const file of files) {
      const tree = this.#file(file, folder, lookup);
      if (tree === undefined) continue;
      const included = this.#included(tree, { folder, lookup, from: [...from, file] });
      whole = mergeTrees(whole, this.#joined(this.#extended(tree, lookup), included));
    }
    return whole;
  }

  #file(file: string, folder: string, lookup: Lookup): Tree | undefined {
    const tree = this.#parsed(file, folder);
    this.lost ||= tree === undefined;
    return tree && interpolate(tree, lookup, this.#problems);
  }

  #parsed(file: string, folder: string): Tree | undefined {
    const content = this.#source.read(file);
    if (content === undefined) return this.#problems.error({ ...nowhere, file }, "cannot read this file");
    this.#folders.set(file, folder);
    const before = this.#problems.list().length;
    const tree = readYaml(file, content, this.#problems);
    if (tree === undefined) {
      return this.#problems.list().length > before
        ? undefined
        : this.#problems.error({ ...nowhere, file }, "this file says nothing");
    }
    if (tree.kind !== "map")
      return this.#problems.error(tree.at, `a stack file is a mapping, not ${kindOf(tree)}`);
    return tree;
  }

  #included(tree: Tree, at: { folder: string; lookup: Lookup; from: readonly string[] }): Tree[] {
    const includes = valueAt(tree, "include");
    if (includes === undefined) return [];
    const read = list((item, problems, where) =>
      item.kind === "scalar"
        ? { path: [said(text)(item, problems, where)].flatMap((one) => one ?? []) }
        : includeWords(item, problems, where),
    );
    return (read(includes, this.#problems, includes.at) ?? []).flatMap(
      (words) => this.#include(words, at) ?? [],
    );
  }

  #include(
    words: Partial<IncludeWords>,
    { folder, lookup, from }: { folder: string; lookup: Lookup; from: readonly string[] },
  ): Tree | undefined {
    const [first] = words.path ?? [];
    if (first === undefined) return undefined;
    const paths = (words.path ?? []).map(({ value }) => joinPath(folder, value));
    const again = paths.find((path) => from.includes(path));
    if (again !== undefined)
      return this.#problems.error(first.at, `${again} includes itself: ${[...from, again].join(" → ")}`);
    for (const { value, at } of words.path ?? []) {
      if (this.#source.read(joinPath(folder, value)) === undefined)
        return this.#problems.error(at, `cannot read ${joinPath(folder, value)}`);
    }
    const home =
      words.project_directory === undefined
        ? folderOf(paths[0] ?? "")
        : joinPath(folder, words.project_directory);
    const files = (words.env_file ?? []).map((path) => joinPath(folder, path));
    return this.project(paths, home, this.lookupOf(home, files, lookup), from);
  }

  /** A file with what it includes. What both define in different words is told as an error. */
  #joined(tree: Tree, included: readonly Tree[]): Tree {
    let whole = tree;
    for (const other of included) {
      for (const section of SECTIONS) {
        const [ours, theirs] = [asMap(valueAt(whole, section) ?? tree), valueAt(other, section)];
        if (theirs?.kind !== "map" || valueAt(whole, section) === undefined) continue;
        for (const [name, { at }] of theirs.entries) {
          const mine = ours.entries.get(name);
          if (mine !== undefined && formatPosition(mine.at) !== formatPosition(at))
            this.#problems.error(
              mine.at,
              `${name} of ${section} is also in ${formatPosition(at)}, which is included`,
            );
        }
      }
      whole = mergeTrees(other, whole);
    }
    return whole;
  }

  /** The services of a file with what they extend. */
  #extended(tree: Tree, lookup: Lookup): Tree {
    const services = valueAt(tree, "services");
    if (services?.kind !== "map" || tree.kind !== "map") return tree;
    const at = tree.entries.get("services")?.at ?? tree.at;
    const entries = [...services.entries].map(([name, entry]): [string, Entry] => [
      name,
      { at: entry.at, value: this.#extend(entry.value, tree, lookup, [`${entry.at.file} ${name}`]) },
    ]);
    const value: Tree = { ...services, entries: new Map(entries) };
    return { ...tree, entries: new Map([...tree.entries, ["services", { at, value }]]) };
  }

  #extend(service: Tree, document: Tree, lookup: Lookup, trail: readonly string[]): Tree {
    const words = valueAt(service, "extends");
    if (service.kind !== "map" || words === undefined) return service;
    const name = words.kind === "scalar" ? words : valueAt(words, "service");
    const file = words.kind === "map" ? valueAt(words, "file") : undefined;
    const own: Tree = {
      ...service,
      entries: new Map([...service.entries].filter(([key]) => key !== "extends")),
    };
    if (name?.kind !== "scalar" || typeof name.value !== "string") {
      this.#problems.error(words.at, "extends names a service: `extends: {service: web, file: base.yml}`");
      return own;
    }
    const from =
      file?.kind === "scalar" ? this.#other(file.at, String(file.value), words.at, lookup) : document;
    const base = valueAt(valueAt(from, "services"), name.value);
    const step = `${base?.at.file ?? ""} ${name.value}`;
    if (from !== undefined && base === undefined)
      this.#problems.error(name.at, `there is no service ${name.value} to extend`);
    if (trail.includes(step)) this.#problems.error(words.at, `${name.value} extends itself`);
    if (from === undefined || base === undefined || trail.includes(step)) return own;
    return mergeTrees(this.#extend(base, from, lookup, [...trail, step]), own, ["services", name.value]);
  }

  #other(at: Position, path: string, words: Position, lookup: Lookup): Tree | undefined {
    const whole = joinPath(this.#folders.get(words.file) ?? this.#source.folder, path);
    if (this.#source.read(whole) === undefined) return this.#problems.error(at, `cannot read ${whole}`);
    const known = this.#folders.get(whole);
    const tree = this.#file(whole, folderOf(whole), lookup);
    if (known !== undefined) this.#folders.set(whole, known);
    return tree;
  }
}
