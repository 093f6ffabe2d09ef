import { describe, expect, test } from "vitest";
import type { OciSeccomp } from "./oci.ts";
import { DEFAULT_CAPABILITIES } from "./spec-capabilities.ts";
import { seccompFor } from "./spec-seccomp.ts";
import { ALLOWED_SYSCALLS } from "./spec-syscalls.ts";

/** What the filter does with a call without looking at its arguments. */
function verdict(profile: OciSeccomp, name: string): string {
  const rules = profile.syscalls.filter(({ names }) => names.includes(name));
  if (rules.length === 0) return `errno ${profile.defaultErrnoRet}`;
  return rules
    .map(
      ({ action, args, errnoRet }) =>
        `${action.slice(9).toLowerCase()}${errnoRet ? ` ${errnoRet}` : ""}${args ? " by arguments" : ""}`,
    )
    .join(", ");
}

const usual = seccompFor(DEFAULT_CAPABILITIES, "x64")!;

describe("the default filter", () => {
  test.each([
    ["read", "allow"],
    ["execve", "allow"],
    ["chroot", "allow"],
    ["arch_prctl", "allow"],
    ["socket", "allow by arguments"],
    ["clone", "allow by arguments"],
    ["clone3", "errno 38"],
    ...[
      "mount",
      "unshare",
      "setns",
      "keyctl",
      "add_key",
      "bpf",
      "kexec_load",
      "init_module",
      "reboot",
      "swapon",
    ].map((name) => [name, "errno 1"]),
    ...["io_uring_setup", "userfaultfd", "perf_event_open", "open_by_handle_at", "syslog", "pivot_root"].map(
      (name) => [name, "errno 1"],
    ),
  ])("%s: %s", (name, expected) => {
    expect(verdict(usual, name)).toBe(expected);
  });

  test("names every call once", () => {
    expect(new Set(ALLOWED_SYSCALLS).size).toBe(ALLOWED_SYSCALLS.length);
    expect(ALLOWED_SYSCALLS.filter((name) => !/^_?[a-z][a-z0-9_]*$/.test(name))).toEqual([]);
    expect(ALLOWED_SYSCALLS.length).toBeGreaterThan(300);
  });

  test("opens with capabilities what they are for", () => {
    const admin = seccompFor([...DEFAULT_CAPABILITIES, "CAP_SYS_ADMIN", "CAP_BPF"], "x64")!;
    for (const name of ["mount", "unshare", "clone", "clone3", "setns", "bpf"]) {
      expect(verdict(admin, name)).toBe("allow");
    }
    expect(verdict(seccompFor([], "x64")!, "chroot")).toBe("errno 1");
  });

  test("is made for the architecture, or not at all", () => {
    expect(seccompFor([], "arm64")?.architectures).toEqual(["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]);
    expect(verdict(seccompFor([], "arm64")!, "arch_prctl")).toBe("errno 1");
    expect(seccompFor([], "loong64")).toBeUndefined();
    const clone = seccompFor([], "s390x")!.syscalls.find(({ names }) => names[0] === "clone");
    expect(clone?.args?.[0]?.index).toBe(1);
  });
});
