import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A containerd of the test's own, beside any other on the machine. */
export interface TestContainerd {
  readonly socket: string;
  readonly dir: string;
  /** Of the one that runs now. */
  pid(): number;
  /** Kills the process; containers and their shims live on. */
  kill(): Promise<void>;
  /** Kills the process and starts it again on the same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts containerd with its root, state and socket in a temporary directory. */
export async function startContainerd(): Promise<TestContainerd> {
  const dir = mkdtempSync(join(tmpdir(), "shoal-containerd-"));
  const socket = `${dir}/c.sock`;
  const config = [
    "version = 2",
    `root = "${dir}/root"`,
    `state = "${dir}/state"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
    "[grpc]",
    `  address = "${socket}"`,
    "[ttrpc]",
    `  address = "${socket}.ttrpc"`,
  ].join("\n");
  writeFileSync(`${dir}/config.toml`, config);
  const start = async () => {
    rmSync(socket, { force: true });
    const child = spawn("containerd", ["--config", `${dir}/config.toml`, "--log-level", "error"], {
      stdio: "ignore",
    });
    for (let tries = 0; tries < 500 && !existsSync(socket); tries++) {
      if (child.exitCode !== null) throw new Error(`containerd ended with ${child.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return child;
  };
  let child = await start();
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  };
  return {
    socket,
    dir,
    pid: () => child.pid ?? 0,
    kill,
    async restart() {
      await kill();
      child = await start();
    },
    async stop() {
      await kill();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
