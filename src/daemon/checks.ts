import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { hasIpvs } from "../kernel/index.ts";
import { Fault, messageOf } from "../lib/index.ts";
import { exec } from "../sys/index.ts";
import type { Config } from "./config.ts";

/** Fails at once, with a sentence that says what to do, where shoald could never work. */
export async function checkMachine(config: Config): Promise<void> {
  if (process.platform !== "linux")
    throw new Fault("unsupported", "cannot start shoald: it runs on Linux only");
  if (process.getuid?.() !== 0) {
    throw new Fault("forbidden", "cannot start shoald: run it as root (it programs the kernel's network)");
  }
  makeFolders(config);
  if (config.balancer === "ipvs") await requireIpvs();
  if (!(await answers(config.containerd))) {
    throw new Fault(
      "unavailable",
      `cannot start shoald: containerd does not answer at ${config.containerd}: start it (systemctl start containerd), install it (apt-get install containerd), or say where it is with --containerd`,
    );
  }
}

/** Loads the module where the kernel has it as one. The schedulers' are loaded by the kernel itself, when a service names one. */
async function requireIpvs(): Promise<void> {
  if (hasIpvs()) return;
  const said = await exec(["modprobe", "ip_vs"]).then(({ stderr }) => stderr.split("\n")[0], messageOf);
  if (hasIpvs()) return;
  throw new Fault(
    "unsupported",
    `cannot start shoald: --balancer ipvs is asked for, and this kernel has no IPVS: take another kernel or --balancer nftables (${said})`,
  );
}

function makeFolders(config: Config): void {
  for (const key of ["data-root", "exec-root"] as const) {
    try {
      mkdirSync(config[key], { recursive: true, mode: 0o711 });
    } catch (cause) {
      throw new Fault("invalid", `cannot use --${key} ${config[key]}: ${messageOf(cause)}`, { cause });
    }
  }
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** Claims the data folder for this process. Fault "exists" when another shoald lives there. */
export function claimData(dataRoot: string): void {
  const file = join(dataRoot, "shoald.pid");
  const holder = existsSync(file) ? Number(readFileSync(file, "utf8")) : 0;
  if (holder > 0 && holder !== process.pid && isDaemon(holder)) {
    throw new Fault(
      "exists",
      `cannot start shoald: process ${holder} already runs with --data-root ${dataRoot}`,
    );
  }
  writeFileSync(file, `${process.pid}\n`, { mode: 0o644 });
}

/** True when the process runs the same program as this one: a pid may have gone to somebody else. */
function isDaemon(pid: number): boolean {
  try {
    const program = (of: number | "self") => readFileSync(`/proc/${of}/cmdline`, "utf8").split("\0")[1];
    return program(pid) === program("self");
  } catch {
    return false; // it ended
  }
}
