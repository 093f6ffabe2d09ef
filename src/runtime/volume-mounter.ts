import { lookup } from "node:dns/promises";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { type Clock, Fault, type FaultKind } from "../lib/index.ts";
import { exec } from "../sys/index.ts";
import { mountPoints, unmount } from "./mount-points.ts";
import { type VolumeDevice, withoutPassword } from "./volume-options.ts";

/** How file systems come onto this machine's tree. */
export interface VolumeMounter {
  /** Fault in Docker's words: "unavailable" when a server does not answer, else "unsupported" or "internal". */
  mount(wanted: VolumeDevice, target: string): Promise<void>;
  unmount(target: string): Promise<void>;
  /** Where something is mounted. */
  mounted(): Promise<readonly string[]>;
  /** The address of a server. */
  lookup(name: string): Promise<string>;
}

/** A server that says nothing for so long is away; the kernel itself would wait for longer. */
const PATIENCE_MS = 60_000;
/** include/uapi/asm-generic/fcntl.h: __O_TMPFILE and O_DIRECTORY. A file without a name. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/**
 * mount(8) without helpers, so that what reaches mount(2) is the user's. What is mounted goes by a file without a name in
 * `memoryDir`: options may hold a password, and command lines are everybody's to read.
 */
export class SystemMounter implements VolumeMounter {
  readonly #memoryDir: string;
  readonly #clock: Clock;

  constructor(memoryDir: string, clock: Clock) {
    this.#memoryDir = memoryDir;
    this.#clock = clock;
  }

  async mount(wanted: VolumeDevice, target: string): Promise<void> {
    const late = new AbortController();
    const timer = this.#clock.after(PATIENCE_MS, () => late.abort());
    const table = await open(this.#memoryDir, O_TMPFILE | constants.O_RDWR, 0o600);
    try {
      await table.writeFile(tableLine(wanted, target));
      const { code, stderr } = await exec(["mount", "-i", "-T", "/proc/self/fd/0", target], {
        stdin: table.fd,
        signal: late.signal,
      });
      if (code !== 0) throw mountFault(wanted, target, reasonIn(stderr));
    } catch (error) {
      if (late.signal.aborted) throw mountFault(wanted, target, "connection timed out");
      throw error;
    } finally {
      timer.cancel();
      await table.close();
    }
  }

  unmount(target: string): Promise<void> {
    return unmount(target);
  }

  mounted(): Promise<readonly string[]> {
    return mountPoints();
  }

  async lookup(name: string): Promise<string> {
    return (await lookup(name)).address;
  }
}

/** A line of fstab(5). */
function tableLine({ type, device, options }: VolumeDevice, target: string): string {
  return `${[device, target, type, options || "defaults"].map(escaped).join(" ")} 0 0\n`;
}

function escaped(field: string): string {
  return field.replace(/[\s\\#]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

/** "mount: /target: unknown filesystem type 'nfs'." */
function reasonIn(stderr: string): string {
  const [line = ""] = stderr.trim().split("\n");
  return (line.split(": ").slice(2).join(": ") || line)
    .replace(/\.$/, "")
    .replace(/^mount\(2\) system call failed: /, "");
}

/** In the order they are tried. */
const KINDS: readonly [RegExp, FaultKind][] = [
  [/timed out|refused|unreachable|no route|host is down/i, "unavailable"],
  [/unknown filesystem type/i, "unsupported"],
];

/** moby volume/local/local_unix.go and volume/mounts/mounts.go. */
function mountFault({ device, options }: VolumeDevice, target: string, reason: string): Fault {
  const kind = KINDS.find(([pattern]) => pattern.test(reason))?.[1] ?? "internal";
  const call = `mount ${device}:${target}, data: ${withoutPassword(options)}`;
  return new Fault(
    kind,
    `error while mounting volume '${target}': failed to mount local volume: ${call}: ${reason}`,
  );
}
