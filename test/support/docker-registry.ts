import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A real registry (Debian's docker-registry) on loopback, for a test. */
export interface TestRegistry {
  /** `127.0.0.1:port`. */
  readonly host: string;
  readonly url: string;
  stop(): Promise<void>;
}

/** How the registry authenticates: lines of htpasswd for basic, its `auth.token` settings for tokens. */
export interface RegistryAuth {
  readonly htpasswd?: string;
  readonly token?: Readonly<Record<string, string>>;
}

/** Starts docker-registry with its store in a temporary directory. */
export async function startDockerRegistry(options: RegistryAuth = {}): Promise<TestRegistry> {
  const dir = mkdtempSync(join(tmpdir(), "shoal-registry-"));
  const host = `127.0.0.1:${await freePort()}`;
  if (options.htpasswd !== undefined) writeFileSync(`${dir}/users`, options.htpasswd);
  const basic = options.htpasswd && { htpasswd: { realm: "test", path: `${dir}/users` } };
  const auth = basic || (options.token && { token: options.token });
  const config = {
    version: "0.1",
    log: { level: "error" },
    storage: { filesystem: { rootdirectory: `${dir}/store` }, delete: { enabled: true } },
    http: { addr: host },
    ...(auth && { auth }),
  };
  // JSON is YAML too.
  writeFileSync(`${dir}/config.yml`, JSON.stringify(config));
  const child = spawn("docker-registry", ["serve", `${dir}/config.yml`], { stdio: "ignore" });
  await answering(child, `http://${host}/v2/`);
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    rmSync(dir, { recursive: true, force: true });
  };
  return { host, url: `http://${host}`, stop };
}

async function answering(child: ChildProcess, url: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
    if (
      await fetch(url).then(
        () => true,
        () => false,
      )
    )
      return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("docker-registry does not answer");
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
