import { Fault } from "../lib/index.ts";
import { optionsProblem } from "./volume-options.ts";

/** moby daemon/names: RestrictedNamePattern. */
const NAME_REGEXP = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
/** The name is a folder's name too (NAME_MAX, linux/limits.h). */
const MAX_NAME = 255;

export interface WantedVolume {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly driver: string;
}

/** Throws in Docker's words what is wrong with a wanted volume; `name` is the one it will have. */
export function checkVolume({ driver, options }: WantedVolume, name: string): void {
  const refuse = (kind: "invalid" | "not-found", reason: string): never => {
    throw new Fault(kind, `create ${name}: ${reason}`);
  };
  if (driver !== "" && driver !== "local") {
    refuse("not-found", `error looking up volume plugin ${driver}: plugin "${driver}" not found`);
  }
  if (name.length === 1) {
    refuse("invalid", "volume name is too short, names should be at least two alphanumeric characters");
  }
  if (!NAME_REGEXP.test(name)) {
    refuse(
      "invalid",
      `"${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    );
  }
  if (name.length > MAX_NAME)
    refuse("invalid", `volume name is too long, at most ${MAX_NAME} characters are allowed`);
  const problem = optionsProblem(options);
  if (problem !== undefined) refuse("invalid", problem);
}

export function noSuchVolume(name: string): Fault {
  return new Fault("not-found", `get ${name}: no such volume`);
}

/** Throws when containers still use the volume. */
export function checkUnused(name: string, usedBy: readonly string[]): void {
  if (usedBy.length === 0) return;
  throw new Fault("conflict", `remove ${name}: volume is in use - [${usedBy.join(", ")}]`);
}
