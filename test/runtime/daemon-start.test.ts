import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { exec } from "../../src/sys/index.ts";
import { startContainerd, type TestContainerd } from "../support/containerd.ts";
import { until } from "../support/until.ts";

/** shoald as a process: where it cannot work it ends at once with one sentence; where it can, it stops cleanly. */

const main = resolve(import.meta.dirname, "../../dist/daemon/main.js");
let containerd: TestContainerd;

beforeAll(async () => {
  containerd = await startContainerd();
});

afterAll(() => containerd.stop());

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "shoal-daemon-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  chmodSync(path, 0o755);
  return path;
}

function settings(dir: string, more: Readonly<Record<string, unknown>> = {}): string {
  const file = join(dir, "shoald.json");
  const own = { "data-root": `${dir}/data`, "exec-root": `${dir}/run`, hosts: [`unix://${dir}/api.sock`] };
  writeFileSync(file, JSON.stringify({ ...own, containerd: containerd.socket, ...more }));
  chmodSync(file, 0o644);
  return file;
}

interface Running {
  readonly child: ChildProcess;
  said(): string;
}

/** `stderr`: a file's descriptor when not for us to read. */
function start(file: string, stderr: "pipe" | number = "pipe"): Running {
  let said = "";
  const child = spawn(process.execPath, [main, "--config", file], {
    stdio: ["ignore", "ignore", stderr],
    // A session of its own, as a service manager gives it.
    detached: true,
  });
  child.stderr?.on("data", (chunk) => {
    said += chunk;
  });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  return { child, said: () => said };
}

/** What it says last, once it has ended with exit code 1. */
async function refusal(running: Running): Promise<string> {
  const [code] = await once(running.child, "close");
  expect(code, running.said()).toBe(1);
  return running.said().trim().split("\n").at(-1) ?? "";
}

async function serving(dir: string): Promise<void> {
  const socket = `${dir}/api.sock`;
  await until(async () => {
    if (!existsSync(socket)) return false;
    return (await exec(["docker", "-H", `unix://${socket}`, "version"])).code === 0;
  });
}

test("without containerd it says how to get one", async () => {
  const running = start(settings(folder(), { containerd: "/no/such/containerd.sock" }));
  expect(await refusal(running)).toMatch(
    /^shoald: cannot start shoald: containerd does not answer at \/no\/such\/containerd\.sock: .*apt-get install containerd/,
  );
});

const hasIpvs = (await exec(["modinfo", "ip_vs"])).code === 0;

test.skipIf(hasIpvs)("told to balance with IPVS on a kernel without it, it says so", async () => {
  expect(await refusal(start(settings(folder(), { balancer: "ipvs" })))).toMatch(
    /^shoald: cannot start shoald: --balancer ipvs is asked for, and this kernel has no IPVS: .*--balancer nftables \(modprobe: /,
  );
});

test("without root it says so", async () => {
  // Root is given up only once the code is loaded: another user may not be able to read this checkout.
  const checks = resolve(main, "../checks.js");
  const script = `
    const { checkMachine } = await import(${JSON.stringify(checks)});
    process.setuid(65534);
    await checkMachine({}).catch((error) => console.log(error.message));`;
  const { stdout } = await exec([process.execPath, "--input-type=module", "-e", script]);
  expect(stdout.trim()).toBe("cannot start shoald: run it as root (it programs the kernel's network)");
});

test("a wrong setting, a wrong flag and a wrong file are named", async () => {
  expect(await refusal(start(settings(folder(), { "gateway-subnet": "nonsense" })))).toContain(
    "gateway-subnet",
  );
  expect(await refusal(start("/no/such/file.json"))).toContain("/no/such/file.json");
  const { code, stderr } = await exec([process.execPath, main, "--no-such-flag"]);
  expect([code, stderr]).toEqual([1, expect.stringContaining("no-such-flag")]);
});

test("a second shoald on the same data or the same socket is refused; the first one goes on and stops cleanly", async () => {
  const dir = folder();
  const first = start(settings(dir));
  await serving(dir);
  expect(await refusal(start(settings(dir)))).toContain(`already runs with --data-root ${dir}/data`);
  const other = folder();
  const clash = { hosts: [`unix://${dir}/api.sock`], "containerd-namespace": "other" };
  expect(await refusal(start(settings(other, clash)))).toContain(`${dir}/api.sock`);
  await serving(dir);
  expect(statSync(`${dir}/api.sock`).mode & 0o007).toBe(0);
  first.child.kill("SIGTERM");
  const [code] = await once(first.child, "exit");
  expect([code, first.said()]).toEqual([0, expect.stringContaining("shoald stopped")]);
});

test("it comes before its tasks when CPUs are short", async () => {
  const dir = folder();
  const { child } = start(settings(dir));
  await serving(dir);
  expect(getPriority(child.pid)).toBe(-10);
  const group = `/proc/${child.pid}/autogroup`;
  if (existsSync(group)) expect(readFileSync(group, "utf8")).toMatch(/ nice -10\n$/);
});

test("TCP without TLS is refused", async () => {
  const dir = folder();
  expect(await refusal(start(settings(dir, { hosts: ["tcp://127.0.0.1:2375"] })))).toContain(
    "TCP without TLS",
  );
});

test("a log on a full disk, or that nobody reads any more, stops nothing", async () => {
  const full = openSync("/dev/full", "w");
  onTestFinished(() => closeSync(full));
  for (const stderr of [full, "pipe"] as const) {
    const dir = folder();
    const running = start(settings(dir), stderr);
    running.child.stderr?.destroy();
    await serving(dir);
    running.child.kill("SIGTERM");
    expect(await once(running.child, "exit")).toEqual([0, null]);
  }
});
