import { createHash, scryptSync } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import {
  type Content,
  type Contents,
  contentKey,
  type FileKind,
  folderOf,
  formatPosition,
  readStack,
  type Stack,
  type StackReading,
  type StackSource,
  type WantedFile,
} from "../compose/index.ts";
import { Fault, messageOf } from "../lib/index.ts";

/** What a command says of its files. */
export interface FileWords {
  readonly files: readonly string[];
  readonly envFiles: readonly string[];
  readonly profiles: readonly string[];
  readonly name: string | undefined;
}

const USUAL = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
const STDIN = "-";
const VERSION_LENGTH = 12;
/** Dear enough that a short password is not found by its version, cheap enough for fifty secrets. */
const SCRYPT = { N: 2 ** 12, r: 8, p: 1 };

/** Reads a stack from this machine's files and environment. */
export function readStackFiles(words: FileWords, env: NodeJS.ProcessEnv): StackReading {
  const files = words.files.length > 0 ? words.files : usualFiles(env);
  const [first = STDIN] = files;
  const source: StackSource = {
    files,
    folder: first === STDIN ? process.cwd() : absolute(folderOf(first)),
    env: (name) => env[name],
    envFiles: words.envFiles.map(absolute),
    read: (path) => readText(path),
  };
  const profiles = [...words.profiles, ...(env["COMPOSE_PROFILES"] ?? "").split(",")].filter(
    (one) => one !== "",
  );
  return readStack(source, { name: words.name ?? env["COMPOSE_PROJECT_NAME"], profiles });
}

const absolute = (path: string): string => (path.startsWith("/") ? path : `${process.cwd()}/${path}`);

function usualFiles(env: NodeJS.ProcessEnv): readonly string[] {
  const said = env["COMPOSE_FILE"];
  if (said !== undefined && said !== "") return said.split(env["COMPOSE_PATH_SEPARATOR"] ?? ":");
  const found = USUAL.find((name) => existsSync(name));
  if (found === undefined)
    throw new Fault(
      "not-found",
      `cannot find a stack file: name one by -f, or have one of ${USUAL.join(", ")} here`,
    );
  return [found];
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path === STDIN ? 0 : path, "utf8");
  } catch {
    return undefined;
  }
}

/** The contents of a stack's secrets and configs. Fault: "not-found" with the place that names a file which cannot be read. */
export function readContents(stack: Stack): Contents {
  const of = (kind: FileKind, files: readonly WantedFile[]) =>
    files.flatMap((file): [string, Content][] => {
      const bytes = bytesOf(kind, file);
      return bytes === undefined ? [] : [[contentKey(kind, file.key), contentOf(kind, file.name, bytes)]];
    });
  return new Map([...of("secret", stack.secrets), ...of("config", stack.configs)]);
}

function bytesOf(kind: FileKind, { from, key }: WantedFile): Buffer | undefined {
  if (from === undefined) return undefined;
  if (from.kind === "text") return Buffer.from(from.text);
  try {
    return readFileSync(from.path);
  } catch (error) {
    const what = `${formatPosition(from.at)}: error: cannot read the ${kind} ${key}`;
    throw new Fault("not-found", `${what}: ${messageOf(error)}`);
  }
}

function contentOf(kind: FileKind, name: string, bytes: Buffer): Content {
  const digest =
    kind === "config"
      ? createHash("sha256").update(bytes).digest("hex")
      : scryptSync(bytes, name, VERSION_LENGTH, SCRYPT).toString("hex");
  return { base64: bytes.toString("base64"), version: digest.slice(0, VERSION_LENGTH) };
}
