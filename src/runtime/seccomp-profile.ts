import { Fault } from "../lib/index.ts";
import type { Machine } from "./machine.ts";
import type { OciSeccomp, OciSyscallRule } from "./oci.ts";

/** A seccomp profile in Docker's form (moby profiles/seccomp): OCI's, with conditions on rules. */
interface Profile {
  readonly defaultAction?: string;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly archMap?: readonly {
    readonly architecture: string;
    readonly subArchitectures?: readonly string[];
  }[];
  readonly syscalls?: readonly ProfileRule[];
}

interface ProfileRule extends Omit<OciSyscallRule, "names"> {
  readonly name?: string;
  readonly names?: readonly string[];
  readonly includes?: Conditions;
  readonly excludes?: Conditions;
}

interface Conditions {
  readonly caps?: readonly string[];
  readonly arches?: readonly string[];
  /** "4.8": this or newer. */
  readonly minKernel?: string;
}

/** By Node's name: what profiles call the architecture in conditions, and in maps. */
const NAMES: Readonly<Record<string, readonly [string, string]>> = {
  x64: ["amd64", "SCMP_ARCH_X86_64"],
  arm64: ["arm64", "SCMP_ARCH_AARCH64"],
  riscv64: ["riscv64", "SCMP_ARCH_RISCV64"],
  ppc64: ["ppc64le", "SCMP_ARCH_PPC64LE"],
  s390x: ["s390x", "SCMP_ARCH_S390X"],
};

/**
 * A user's profile for a container with these capabilities: of its rules, those whose conditions hold. Undefined when it says nothing,
 * which means no filter. Fault "invalid" when it cannot be read.
 */
export function seccompOfProfile(
  base64: string,
  capabilities: readonly string[],
  machine: Pick<Machine, "arch" | "kernel">,
): OciSeccomp | undefined {
  const profile = parseProfile(base64);
  const { defaultAction = "", defaultErrnoRet } = profile;
  const architectures = listOf(profile, "architectures");
  const archMap = listOf(profile, "archMap");
  const syscalls = listOf(profile, "syscalls");
  if (defaultAction === "" && syscalls.length === 0) return undefined;
  if (architectures.length > 0 && archMap.length > 0) {
    throw refusal(
      "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'",
    );
  }
  const [arch = "", mapped] = NAMES[machine.arch] ?? [];
  const own = archMap.find(({ architecture }) => architecture === mapped);
  const holds = conditionsOf(arch, capabilities, machine);
  return {
    defaultAction,
    ...(defaultErrnoRet !== undefined && { defaultErrnoRet }),
    architectures: own === undefined ? architectures : [own.architecture, ...(own.subArchitectures ?? [])],
    syscalls: syscalls
      .filter(({ includes, excludes }) => holds.all(includes ?? {}) && !holds.some(excludes ?? {}))
      .map(ruleOf),
  };
}

function parseProfile(base64: string): Profile {
  try {
    const value: unknown = JSON.parse(Buffer.from(base64, "base64").toString());
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Profile;
  } catch {
    // Told below.
  }
  throw refusal("it is not a JSON object");
}

/** Go writes an empty list as null. */
function listOf<K extends "architectures" | "archMap" | "syscalls">(
  profile: Profile,
  name: K,
): NonNullable<Profile[K]> | [] {
  const value = profile[name] ?? [];
  const isEntry = (entry: unknown): boolean =>
    name === "architectures" ? typeof entry === "string" : typeof entry === "object" && entry !== null;
  if (Array.isArray(value) && value.every(isEntry)) return value;
  throw refusal(`${name} is not a list of what it should be`);
}

function ruleOf({ name = "", names = [], action, errnoRet, args }: ProfileRule): OciSyscallRule {
  if (name !== "" && names.length > 0) {
    throw refusal(
      "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'",
    );
  }
  return {
    names: name === "" ? names : [name],
    action,
    ...(errnoRet !== undefined && { errnoRet }),
    ...(args !== undefined && args !== null && { args }),
  };
}

/** As moby asks: all that is included must be there; any one that is excluded must not. */
function conditionsOf(
  arch: string,
  capabilities: readonly string[],
  { kernel }: Pick<Machine, "kernel">,
): { all(wanted: Conditions): boolean; some(unwanted: Conditions): boolean } {
  return {
    all: ({ caps, arches, minKernel }) =>
      (caps ?? []).every((name) => capabilities.includes(name)) &&
      (arches === undefined || arches.length === 0 || arches.includes(arch)) &&
      (minKernel === undefined || minKernel === "" || isAtLeast(kernel, minKernel)),
    some: ({ caps, arches, minKernel }) =>
      (caps ?? []).some((name) => capabilities.includes(name)) ||
      (arches ?? []).includes(arch) ||
      (minKernel !== undefined && minKernel !== "" && isAtLeast(kernel, minKernel)),
  };
}

function isAtLeast(kernel: string, wanted: string): boolean {
  const numbers = (text: string): number[] => /^(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number) ?? [];
  const [[major = 0, minor = 0], [wantedMajor, wantedMinor = 0]] = [numbers(kernel), numbers(wanted)];
  if (wantedMajor === undefined) throw refusal(`invalid kernel version ${wanted}`);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function refusal(reason: string): Fault {
  return new Fault("invalid", `cannot use the seccomp profile: ${reason}`);
}
