import { Fault } from "../lib/index.ts";
import type { Privileges } from "../model/index.ts";

type Word = (value: string, so: Privileges) => Privileges;

/** `--security-opt` by its first word (moby daemon/daemon_unix.go parseSecurityOpt). */
const WORDS: Readonly<Record<string, Word>> = {
  "no-new-privileges": (value, so) => ({ ...so, noNewPrivileges: value === "" || value === "true" }),
  seccomp: (value, so) => ({ ...so, seccomp: seccompOf(value) }),
  apparmor: (value, so) => {
    if (value !== "unconfined" && value !== "docker-default") {
      throw new Fault(
        "unsupported",
        `cannot use --security-opt apparmor=${value}: no profile is loaded on nodes`,
      );
    }
    return { ...so, appArmor: value === "unconfined" ? "disabled" : "default" };
  },
  label: () => {
    throw new Fault(
      "unsupported",
      "cannot use --security-opt label: nodes give processes and files no SELinux labels",
    );
  },
};

/** Undefined when nothing was said. Faults: "invalid" in Docker's words, "unsupported". */
export function privilegesFromOptions(options: readonly string[]): Privileges | undefined {
  let privileges: Privileges = { noNewPrivileges: false };
  for (const option of options) {
    const [, key = option, value = ""] = /^([^=:]+)[=:]([\s\S]*)$/.exec(option) ?? [];
    const word = Object.hasOwn(WORDS, key) ? WORDS[key] : undefined;
    if (word === undefined) throw new Fault("invalid", `invalid --security-opt: "${option}"`);
    privileges = word(value, privileges);
  }
  return options.length === 0 ? undefined : privileges;
}

/** The CLI sends a profile's own text. */
function seccompOf(value: string): NonNullable<Privileges["seccomp"]> {
  if (value === "unconfined") return { mode: "unconfined", profile: "" };
  if (value === "builtin") return { mode: "default", profile: "" };
  const bytes = new TextEncoder().encode(value);
  return { mode: "custom", profile: btoa(String.fromCharCode(...bytes)) };
}
