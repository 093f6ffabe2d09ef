import type { ContainerConfig } from "./container.ts";
import type { Machine } from "./machine.ts";
import type { OciSeccomp, OciSyscallRule } from "./oci.ts";
import { seccompOfProfile } from "./seccomp-profile.ts";
import { ALLOWED_SYSCALLS, CAPABLE_SYSCALLS } from "./spec-syscalls.ts";

interface Architecture {
  readonly names: readonly string[];
  readonly syscalls: string;
}

/** By Node's name of it: the ABIs its kernel runs, and what is its own to call. */
const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  x64: { names: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], syscalls: "arch_prctl modify_ldt" },
  arm64: {
    names: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
    syscalls: "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls",
  },
  riscv64: { names: ["SCMP_ARCH_RISCV64"], syscalls: "riscv_flush_icache" },
  ppc64: { names: ["SCMP_ARCH_PPC64LE"], syscalls: "sync_file_range2 swapcontext" },
  s390x: {
    names: ["SCMP_ARCH_S390X", "SCMP_ARCH_S390"],
    syscalls: "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr",
  },
};

const EPERM = 1;
const ENOSYS = 38;
const ALLOW = "SCMP_ACT_ALLOW";
const AF_VSOCK = 40;
/** PER_LINUX and PER_LINUX32, each without and with UNAME26; and the question which one it is. */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET: none of them may be set. */
const CLONE_NAMESPACES = 0x7e020000;

/**
 * Docker's default profile for a container with these capabilities: what is not listed fails with EPERM.
 * Undefined on an architecture that has no list: no filter there, as with Docker.
 */
export function seccompFor(capabilities: readonly string[], arch: string): OciSeccomp | undefined {
  const architecture = ARCHITECTURES[arch];
  if (architecture === undefined) return undefined;
  const capable = capabilities.flatMap((name) => words(CAPABLE_SYSCALLS[name] ?? ""));
  const names = [...new Set([...ALLOWED_SYSCALLS, ...words(architecture.syscalls), ...capable])];
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: EPERM,
    architectures: architecture.names,
    syscalls: [
      { names, action: ALLOW },
      { names: ["socket"], action: ALLOW, args: [{ index: 0, value: AF_VSOCK, op: "SCMP_CMP_NE" }] },
      ...PERSONALITIES.map((value) => ({
        names: ["personality"],
        action: ALLOW,
        args: [{ index: 0, value, op: "SCMP_CMP_EQ" }],
      })),
      ...(capabilities.includes("CAP_SYS_ADMIN") ? [] : cloneRules(arch)),
    ],
  };
}

/** The filter that a container's words ask for. */
export function seccompOf(
  privileges: ContainerConfig["privileges"],
  capabilities: readonly string[],
  machine: Pick<Machine, "arch" | "kernel">,
): OciSeccomp | undefined {
  const { mode = "default", profile = "" } = privileges?.seccomp ?? {};
  if (mode === "unconfined") return undefined;
  if (mode === "custom") return seccompOfProfile(profile, capabilities, machine);
  return seccompFor(capabilities, machine.arch);
}

/** Threads and processes, but no new namespaces; clone3 hides its flags in memory, so libcs must fall back to clone. */
function cloneRules(arch: string): OciSyscallRule[] {
  const index = arch === "s390x" ? 1 : 0;
  return [
    {
      names: ["clone"],
      action: ALLOW,
      args: [{ index, value: CLONE_NAMESPACES, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }],
    },
    { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
  ];
}

function words(text: string): string[] {
  return text.split(/\s+/).filter(Boolean);
}
