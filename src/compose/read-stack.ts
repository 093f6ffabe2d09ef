import { resolveEnvironment } from "./environment.ts";
import { loadTree, type StackSource } from "./load.ts";
import { resolveMounts } from "./mounts.ts";
import { inOrder } from "./order.ts";
import { joinPath } from "./path.ts";
import { type Position, type Problem, Problems } from "./problem.ts";
import { mapOf, type Read, type Said, said, text } from "./read.ts";
import { resolveReferences } from "./references.ts";
import { tellClashes, tellRefusals } from "./refusals.ts";
import { serviceSpec } from "./service-spec.ts";
import { type ServiceWords, serviceWords } from "./service-words.ts";
import {
  type Dependency,
  type FileOrigin,
  type Stack,
  scoped,
  stackLabels,
  type WantedFile,
  type WantedService,
} from "./stack.ts";
import { resolveNetworks, wantedNetworks } from "./stack-networks.ts";
import {
  type ContentWords,
  contentWords,
  type NetworkWords,
  networkWords,
  type VolumeWords,
  volumeWords,
} from "./stack-words.ts";
import { type MapTree, type Tree, valueAt } from "./tree.ts";

export interface ReadOptions {
  /** Undefined: the file's `name`. */
  readonly name: string | undefined;
  /** Profiles to turn on; "*" for all. */
  readonly profiles: readonly string[];
}

export interface StackReading {
  /** Undefined when there are errors among the problems. */
  readonly stack: Stack | undefined;
  readonly problems: readonly Problem[];
}

/**
 * Reads a stack by the Compose Specification. Pure: all that it looks at comes from `source`. Every problem names its file,
 * line and column; with an error there is no stack.
 */
export function readStack(source: StackSource, options: ReadOptions): StackReading {
  const problems = new Problems();
  const loaded = loadTree(source, problems);
  const stack = !loaded.complete ? undefined : new StackReader(source, loaded, problems).stack(options);
  return { stack: problems.failed ? undefined : stack, problems: problems.list() };
}

const NAME_REGEXP = /^[a-z0-9][a-z0-9_-]*$/i;
const TOP = new Set(["version", "name", "include", "services", "networks", "volumes", "secrets", "configs"]);
/** Sections of the specification that a swarm makes nothing of. */
const TOP_IGNORED = new Set(["models"]);

type Loaded = ReturnType<typeof loadTree>;
type Table<T> = ReadonlyMap<string, Said<Partial<T>>>;

class StackReader {
  readonly #source: StackSource;
  readonly #loaded: Loaded;
  readonly #problems: Problems;

  constructor(source: StackSource, loaded: Loaded, problems: Problems) {
    this.#source = source;
    this.#loaded = loaded;
    this.#problems = problems;
  }

  stack(options: ReadOptions): Stack | undefined {
    const { tree } = this.#loaded;
    this.#checkTop(tree);
    const name = this.#name(options.name);
    if (name === undefined) return undefined;
    const services = this.#enabled(this.#section("services", serviceWords), options.profiles);
    if (services.size === 0) this.#problems.error(tree.at, "there is no service to run");
    const networks = this.#section<NetworkWords>("networks", networkWords);
    const volumes = this.#section<VolumeWords>("volumes", volumeWords);
    const secrets = this.#files(name, "secrets");
    const configs = this.#files(name, "configs");
    const wanted = [...services].map(([key, { value, at }]) =>
      this.#service(name, { key, words: value, at, services, networks, volumes, secrets, configs }),
    );
    for (const service of this.#problems.failed ? [] : wanted) tellRefusals(service, this.#problems);
    tellClashes(wanted, this.#problems);
    const used = new Set(
      [...services.values()].flatMap(({ value }) => [...(value.networks?.keys() ?? ["default"])]),
    );
    return {
      name,
      networks: wantedNetworks(name, networks, used, tree.at, this.#problems),
      secrets: [...secrets.values()],
      configs: [...configs.values()],
      services: inOrder(wanted, this.#problems),
    };
  }

  #checkTop(tree: MapTree): void {
    for (const [key, { at }] of tree.entries) {
      if (TOP_IGNORED.has(key)) this.#problems.warn(at, `${key} is ignored: a swarm has none`);
      else if (!TOP.has(key) && !key.startsWith("x-"))
        this.#problems.error(
          at,
          `a stack file has no section ${key}: it has ${[...TOP].join(", ")}, and x-…`,
        );
    }
  }

  #name(given: string | undefined): string | undefined {
    const tree = valueAt(this.#loaded.tree, "name");
    const own = tree === undefined ? undefined : said(text)(tree, this.#problems, tree.at);
    const name = given ?? own?.value;
    const at = own?.at ?? this.#loaded.tree.at;
    if (name === undefined)
      return this.#problems.error(at, "the stack has no name: give one, or say `name:` in the file");
    return NAME_REGEXP.test(name)
      ? name
      : this.#problems.error(
          at,
          `"${name}" is no stack's name: letters, digits, - and _, a letter or digit first`,
        );
  }

  #section<T>(key: string, read: Read<Partial<T>>): Table<T> {
    const tree = valueAt(this.#loaded.tree, key);
    if (tree === undefined) return new Map();
    const entry: Read<Said<Partial<T>>> = (value, problems, at) => {
      const words = read(value, problems, at);
      return words === undefined ? undefined : { value: words, at };
    };
    const found = mapOf(entry)(tree, this.#problems, tree.at) ?? new Map();
    for (const [name, { at }] of found)
      if (!/^[\w.-]+$/.test(name))
        this.#problems.error(at, `"${name}" is no name: letters, digits, . _ and -`);
    return found;
  }

  #enabled(services: Table<ServiceWords>, profiles: readonly string[]): Table<ServiceWords> {
    const on = ({ profiles: own = [] }: Partial<ServiceWords>) =>
      own.length === 0 || profiles.includes("*") || own.some((one) => profiles.includes(one));
    return new Map([...services].filter(([, { value }]) => on(value)));
  }

  #files(stack: string, section: "secrets" | "configs"): ReadonlyMap<string, WantedFile> {
    const words = this.#section<ContentWords>(section, contentWords);
    return new Map([...words].map(([key, { value, at }]) => [key, this.#file(stack, key, value, at)]));
  }

  #file(stack: string, key: string, words: Partial<ContentWords>, at: Position): WantedFile {
    const external = words.external !== undefined && words.external !== false;
    const fixed = typeof words.external === "string" ? words.external : words.name;
    const origins = [words.file, words.environment, words.content].filter((one) => one !== undefined);
    if (external && origins.length > 0)
      this.#problems.error(at, `${key} is external and says its content: one of both`);
    if (!external && origins.length !== 1)
      this.#problems.error(
        at,
        `${key} must say where its content is: one of file, environment, content, external`,
      );
    return {
      key,
      at,
      external,
      name: fixed ?? (external ? key : scoped(stack, key)),
      versioned: !external && fixed === undefined,
      labels: stackLabels(stack, words.labels),
      ...(words.template_driver !== undefined && { templateDriver: words.template_driver }),
      from: external ? undefined : this.#origin(words, at),
    };
  }

  #origin({ file, environment, content }: Partial<ContentWords>, at: Position): FileOrigin | undefined {
    if (file !== undefined) return { kind: "file", path: joinPath(this.#loaded.folderOf(at.file), file), at };
    if (content !== undefined) return { kind: "text", text: content };
    if (environment === undefined) return undefined;
    const value = this.#loaded.lookup(environment);
    if (value === undefined) return this.#problems.error(at, `the variable ${environment} is not set`);
    return { kind: "text", text: value };
  }

  #service(stack: string, given: GivenService): WantedService {
    const { key, words, at, services } = given;
    const problems = this.#problems;
    if (words.image === undefined) problems.error(at, `the service ${key} must say its image`);
    const base = { stack, folderOf: this.#loaded.folderOf, problems };
    const files = { read: (path: string) => this.#source.read(path), lookup: this.#loaded.lookup };
    const { env, labels } = resolveEnvironment(words, { ...base, ...files });
    const resolved = {
      env,
      labels,
      mounts: resolveMounts(words, given.volumes, { ...base, home: this.#loaded.lookup("HOME") }),
      networks: resolveNetworks(words, given.networks, { ...base, key, at }),
      secrets: resolveReferences("secret", words.secrets ?? [], given.secrets, problems),
      configs: resolveReferences("config", words.configs ?? [], given.configs, problems),
    };
    return {
      key,
      name: scoped(stack, key),
      at,
      fields: this.#fields(key),
      dependsOn: dependencies(words, services, problems),
      spec: serviceSpec({ stack, key, words, resolved, at, problems }),
    };
  }

  #fields(key: string): ReadonlyMap<string, Position> {
    const found = new Map<string, Position>();
    const walk = (tree: Tree | undefined) => {
      for (const [name, { at, value }] of tree?.kind === "map" ? tree.entries : []) {
        found.set(name, at);
        if (["deploy", "resources", "limits", "reservations", "placement", "healthcheck"].includes(name))
          walk(value);
      }
    };
    walk(valueAt(valueAt(this.#loaded.tree, "services"), key));
    return found;
  }
}

interface GivenService {
  readonly key: string;
  readonly words: Partial<ServiceWords>;
  readonly at: Position;
  readonly services: Table<ServiceWords>;
  readonly networks: Table<NetworkWords>;
  readonly volumes: Table<VolumeWords>;
  readonly secrets: ReadonlyMap<string, WantedFile>;
  readonly configs: ReadonlyMap<string, WantedFile>;
}

function dependencies(
  words: Partial<ServiceWords>,
  services: Table<ServiceWords>,
  problems: Problems,
): Dependency[] {
  return [...(words.depends_on ?? [])].flatMap(([on, { value, at }]) => {
    const { condition = "service_started", required = true } = value;
    const other = services.get(on);
    if (other === undefined)
      return required
        ? (problems.error(at, `there is no service ${on} (of a profile that is on) to depend on`) ?? [])
        : [];
    if (condition === "service_healthy" && !hasHealth(other.value))
      problems.warn(
        at,
        `${on} says no healthcheck here: unless its image has one, running is taken for healthy`,
      );
    return [{ on, condition, at }];
  });
}

const hasHealth = ({ healthcheck }: Partial<ServiceWords>): boolean =>
  healthcheck !== undefined && healthcheck.disable !== true;
