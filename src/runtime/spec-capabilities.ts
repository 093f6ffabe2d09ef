import { Fault } from "../lib/index.ts";

/** What Docker leaves to a container (moby daemon/pkg/oci/caps/defaults.go). */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

const ALL = "ALL";

/** All of Linux's, by number from 0 (linux/capability.h). */
const EVERY =
  `chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service
  net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot
  sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog
  wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore`
    .split(/\s+/)
    .map((name) => `CAP_${name.toUpperCase()}`);

/** The names of the capabilities in a mask as /proc/self/status shows it (hex). */
export function capabilitiesOf(mask: string): ReadonlySet<string> {
  const bits = BigInt(`0x${mask}`);
  return new Set(EVERY.filter((_, i) => (bits >> BigInt(i)) & 1n));
}

/**
 * The capabilities of a container: the default ones, plus `add`, minus `drop`; "ALL" is understood in both, and so are names
 * without CAP_ and in lowercase. `available`: what this machine can give; ALL means all of these.
 * Faults "invalid" in Docker's words (moby daemon/pkg/oci/caps).
 */
export function capabilitiesFor(
  add: readonly string[],
  drop: readonly string[],
  available: ReadonlySet<string>,
): string[] {
  const added = canonical("CapAdd", add, available);
  const dropped = canonical("CapDrop", drop, available);
  const base = added.has(ALL) ? available : dropped.has(ALL) ? [] : DEFAULT_CAPABILITIES;
  const kept = new Set([...base, ...added]);
  return EVERY.filter((name) => kept.has(name) && available.has(name) && !dropped.has(name));
}

function canonical(
  what: string,
  names: readonly string[],
  available: ReadonlySet<string>,
): ReadonlySet<string> {
  const full = names.map((name) => {
    const upper = name.toUpperCase();
    return upper === ALL || upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  });
  for (const name of full) {
    if (name === ALL || available.has(name)) continue;
    const reason = EVERY.includes(name)
      ? "capability not supported by your kernel or not available in the current environment"
      : "unknown capability";
    throw new Fault("invalid", `invalid ${what}: ${reason}: "${name}"`);
  }
  return new Set(full);
}
