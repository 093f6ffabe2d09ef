import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ContainerConfig } from "../../src/runtime/container.ts";
import { getSpec } from "../../src/runtime/container-store.ts";
import { createExec, startExec } from "../../src/runtime/exec-task.ts";
import type { Health, HealthCheck } from "../../src/runtime/health.ts";
import { connectContainerd } from "../../src/runtime/image-client.ts";
import { startContainerd, type TestContainerd } from "../support/containerd.ts";
import { startDockerRegistry, type TestRegistry } from "../support/docker-registry.ts";
import { busyboxFiles, type LayerFile, makeImage } from "../support/image-maker.ts";
import { noVolumes, openNode, type TestNode } from "../support/test-containers.ts";
import { until } from "../support/until.ts";

const never = new AbortController().signal;
/** A probe in a session of its own may have left this in its container. */
const FILES: LayerFile[] = [
  ...busyboxFiles(),
  ...["id", "env", "pwd", "grep", "setsid"].map((name) => ({ name: `bin/${name}`, link: "busybox" })),
  { name: "etc/passwd", content: "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n" },
  { name: "etc/group", content: "app:x:1001:\n" },
];
const FAST: HealthCheck = {
  ...{ test: [], intervalMs: 100, timeoutMs: 10_000, startPeriodMs: 0, startIntervalMs: 50, retries: 2 },
};
const line = (text: string, more: Partial<HealthCheck> = {}): HealthCheck => ({
  ...{ ...FAST, ...more },
  test: ["CMD-SHELL", text],
});

let containerd: TestContainerd;
let registry: TestRegistry;
let node: TestNode;
let image = "";

beforeAll(async () => {
  [containerd, registry] = await Promise.all([startContainerd(), startDockerRegistry()]);
});
afterAll(() => Promise.all([containerd?.stop(), registry?.stop()]));
beforeEach(async () => {
  node = await openNode(containerd, registry, noVolumes);
  image = await node.put("box", await makeImage([FILES]));
});
afterEach(() => node.end());

async function started(more: Partial<ContainerConfig> = {}, script = "exec sleep 1000"): Promise<string> {
  const config = node.config(more.image ?? image, script, more);
  await node.containers().create(config);
  await node.containers().start(config.id);
  return config.id;
}

async function healthOf(id: string): Promise<Health> {
  const health = (await node.containers().get(id))?.health;
  if (health === undefined) throw new Error("it has no health");
  return health;
}

async function exec(id: string, script: string, more: object = {}): Promise<string> {
  const { output, exitCode } = await node
    .containers()
    .exec(id, { args: ["sh", "-c", script], ...more }, AbortSignal.timeout(20_000));
  return `${output.trim()} (${exitCode})`;
}

/** Pids of processes of the container whose command line says `words`. */
function running(id: string, words: string): number[] {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        const isOurs = readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(id);
        return isOurs && readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").includes(words);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** What programs in containers have left in the folder of FIFOs. */
const fifos = (id: string): string[] =>
  readdirSync(`${node.dir}/run/${id}`).filter((name) => name.startsWith("exec-"));

/** A folder that a container sees. */
function stage(): { dir: string; mounts: ContainerConfig["mounts"] } {
  const dir = `${node.dir}/stage`;
  mkdirSync(dir, { recursive: true });
  return { dir, mounts: [{ type: "bind", source: dir, target: "/stage", readOnly: false }] };
}

describe("a program beside process 1", () => {
  test("is confined and started as that is", async () => {
    const id = await started({
      ...{ user: "app", env: ["A=1", "B=2"], dir: "/tmp", capDrop: ["MKNOD"] },
      ...{ privileges: { noNewPrivileges: true }, resources: { pids: 50 } },
      ulimits: [{ name: "core", soft: -1, hard: -1 }],
    });
    const asked = "grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; ulimit -c";
    await expect.poll(() => running(id, "sleep 1000")).toHaveLength(1);
    const [pid = 0] = running(id, "sleep 1000");
    const own = readFileSync(`/proc/${pid}/status`, "utf8")
      .split("\n")
      .filter((row) => /CapBnd|NoNewPrivs|Seccomp:/.test(row));
    expect(await exec(id, asked)).toBe([...own, "unlimited"].join("\n").trim().concat(" (0)"));
    expect(own.join("\n")).toMatch(/NoNewPrivs:\t1[\s\S]*Seccomp:\t2/);
    expect(await exec(id, "id -u; pwd; echo $A$B; test -t 1")).toBe("1000\n/tmp\n12 (1)");
    expect(await exec(id, "id -u; id -g; pwd; echo $A$B", { user: "0:0", dir: "/", env: ["A=x"] })).toBe(
      "0\n0\n/\nx2 (0)",
    );
    await expect(exec(id, "true", { user: "nobody-here" })).rejects.toThrow(
      "unable to find user nobody-here",
    );
    expect(fifos(id)).toEqual([]);
  });

  test("has no more than 4096 bytes of its output kept, and does not wait for a reader", async () => {
    const id = await started();
    const { output, exitCode } = await node.containers().exec(
      id,
      {
        args: [
          "sh",
          "-c",
          "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done; exit 9",
        ],
      },
      never,
    );
    expect([output.length, output.endsWith("..."), exitCode]).toEqual([4099, true, 9]);
    expect(fifos(id)).toEqual([]);
  });

  test("is killed with all it started when it is no longer wanted", async () => {
    const id = await started();
    const stop = new AbortController();
    const script = "(sleep 777 & sleep 778 & wait) & sleep 779";
    const done = node.containers().exec(id, { args: ["sh", "-c", script] }, stop.signal);
    await until(() => [777, 778, 779].every((n) => running(id, `sleep ${n}`).length > 0));
    stop.abort(new Error("enough"));
    await expect(done).rejects.toThrow("enough");
    await until(() => running(id, "sleep 77").length === 0);
    expect(running(id, "sleep 1000")).toHaveLength(1);
    expect(fifos(id)).toEqual([]);
  });

  test("leaves in peace what it started for later", async () => {
    const id = await started();
    expect(await exec(id, "setsid sleep 555 >/dev/null 2>&1 & echo gone")).toBe("gone (0)");
    await until(() => running(id, "sleep 555").length === 1);
  });

  test("of an earlier daemon is ended by the next one", async () => {
    const id = await started();
    const cut = node.containers().exec(id, { args: ["sh", "-c", "sleep 666"] }, never);
    await until(() => running(id, "sleep 666").length > 0);
    const told = expect(cut).rejects.toMatchObject({ kind: "unavailable" });
    await node.reopen();
    await told;
    expect(running(id, "sleep 666")).toEqual([]);
    // And one whose daemon had no time to end it.
    const spec = JSON.stringify({ args: ["sh", "-c", "sleep 667"], cwd: "/", env: ["PATH=/bin"] });
    writeFileSync(`${node.dir}/process.json`, spec);
    const execId = "e".repeat(64);
    execFileSync("mkfifo", [`${node.dir}/run/${id}/exec-${execId}`]);
    node.ctr("tasks", "exec", "--detach", "--exec-id", execId, id, "sh", "-c", "sleep 667");
    await until(() => running(id, "sleep 667").length > 0);
    await node.reopen();
    expect(running(id, "sleep 667")).toEqual([]);
    expect(fifos(id)).toEqual([]);
    expect(await exec(id, "echo on")).toBe("on (0)");
  });

  test("of which containerd knows nothing, as its runc was cut off, is ended too", async () => {
    const id = await started();
    expect(await exec(id, "setsid sleep 663 >/dev/null 2>&1 & echo gone")).toBe("gone (0)");
    // Its FIFO says that there is a program, by a name that containerd does not have.
    execFileSync("mkfifo", [`${node.dir}/run/${id}/exec-${"d".repeat(64)}`]);
    node.ctr("tasks", "exec", "--detach", "--exec-id", "untold", id, "sh", "-c", "sleep 664");
    await until(() => running(id, "sleep 664").length > 0);
    await node.reopen();
    expect(running(id, "sleep 664")).toEqual([]);
    expect(fifos(id)).toEqual([]);
    expect(running(id, "sleep 663")).toHaveLength(1);
    expect(running(id, "sleep 1000")).toHaveLength(1);
  });

  test("that was being started when its daemon was killed holds nobody up", async () => {
    const id = await started();
    const client = connectContainerd({ socket: containerd.socket, namespace: basename(node.netns) });
    const ref = { containerId: id, execId: "f".repeat(64) };
    const path = `${node.dir}/run/${id}/exec-${ref.execId}`;
    execFileSync("mkfifo", [path]);
    const own = (await getSpec(client, id)).process;
    const streams = { stdin: "", stdout: path, stderr: path };
    await createExec(client, ref, { streams, process: { ...own, args: ["sh", "-c", "echo x; sleep 669"] } });
    // Nobody reads: the shim waits.
    const starting = startExec(client, ref).catch(() => undefined);
    const began = performance.now();
    await until(() => performance.now() > began + 500 || running(id, "sleep 669").length > 0);
    await node.reopen();
    expect(performance.now() - began).toBeLessThan(10_000);
    await starting;
    client.close();
    expect(running(id, "sleep 669")).toEqual([]);
    expect(fifos(id)).toEqual([]);
    expect(await exec(id, "echo on")).toBe("on (0)");
  });

  test("whose containerd goes away is ended when that is back", async () => {
    const id = await started();
    const cut = node.containers().exec(id, { args: ["sh", "-c", "sleep 668"] }, never);
    await until(() => running(id, "sleep 668").length > 0);
    const told = expect(cut).rejects.toMatchObject({ kind: "unavailable" });
    await containerd.kill();
    await told;
    await containerd.restart();
    await until(() => running(id, "sleep 668").length === 0 && fifos(id).length === 0);
    expect(await exec(id, "echo on")).toBe("on (0)");
  });
});

describe("a health check", () => {
  test("of the image is carried out in the image's shell; the config's numbers are laid over, and NONE ends it", async () => {
    const shell = await makeImage([FILES], {
      config: {
        ...{ Cmd: ["sleep", "1000"], Env: ["PATH=/bin"], Shell: ["/bin/busybox", "sh", "-c"] },
        Healthcheck: { Test: ["CMD-SHELL", "echo $0; pwd; test -e /stage/well"], Interval: 1e8, Retries: 1 },
        WorkingDir: "/tmp",
      },
    });
    const own = await node.put("own", shell);
    const { dir, mounts } = stage();
    const id = await started({ image: own, mounts });
    expect(await node.containers().waitHealth(id, never)).toBe("unhealthy");
    writeFileSync(`${dir}/well`, "");
    expect(await node.containers().waitHealth(id, never, "unhealthy")).toBe("healthy");
    expect((await healthOf(id)).log.at(-1)).toMatchObject({ exitCode: 0, output: "sh\n/tmp\n" });
    expect((await node.containers().get(id))?.healthCheck).toMatchObject({
      intervalMs: 100,
      retries: 1,
      timeoutMs: 0,
    });
    const zero = { test: [], intervalMs: 0, timeoutMs: 0, startPeriodMs: 0, startIntervalMs: 0, retries: 0 };
    const more = await started({ image: own, health: { ...zero, retries: 7 } });
    expect((await node.containers().get(more))?.healthCheck).toMatchObject({ intervalMs: 100, retries: 7 });
    const none = await started({ image: own, health: { ...zero, test: ["NONE"] } });
    expect((await node.containers().get(none))?.health).toBeUndefined();
  });

  test("asks often in the start period and forgives, until a probe succeeds", async () => {
    const { dir, mounts } = stage();
    const asked = "echo x >>/stage/asked; test -e /stage/well";
    const health = line(asked, {
      intervalMs: 60_000,
      startIntervalMs: 100,
      startPeriodMs: 60_000,
      retries: 1,
    });
    const id = await started({ health, mounts });
    const count = (): number =>
      existsSync(`${dir}/asked`) ? readFileSync(`${dir}/asked`, "utf8").length / 2 : 0;
    await until(() => count() >= 4);
    expect(await healthOf(id)).toMatchObject({ status: "starting", failingStreak: 0 });
    writeFileSync(`${dir}/well`, "");
    expect(await node.containers().waitHealth(id, never)).toBe("healthy");
  });

  test("kills a probe that is late, with all it started, and says so in Docker's words", async () => {
    const health = line("echo busy; (sleep 888 &); sleep 889", { timeoutMs: 300, retries: 2 });
    const id = await started({ health });
    expect(await node.containers().waitHealth(id, never)).toBe("unhealthy");
    const { log } = await healthOf(id);
    expect(log.length).toBe(2);
    for (const { exitCode, output, start, end } of log) {
      expect([exitCode, output]).toEqual([-1, "Health check exceeded timeout (300ms): busy\n"]);
      expect(end - start).toBeGreaterThanOrEqual(300);
    }
    await node.containers().stop(id, { graceMs: 0 });
    await until(() => running(id, "sleep 88").length === 0);
  });

  test("leaves no late probe's children in a container that runs on", async () => {
    const { dir, mounts } = stage();
    writeFileSync(`${dir}/slow`, "");
    const slow = "test -e /stage/slow || exit 0; (sleep 888 &); sleep 889";
    const id = await started({ mounts, health: line(slow, { timeoutMs: 200, retries: 1 }) });
    expect(await node.containers().waitHealth(id, never)).toBe("unhealthy");
    rmSync(`${dir}/slow`);
    expect(await node.containers().waitHealth(id, never, "unhealthy")).toBe("healthy");
    await until(() => running(id, "sleep 88").length === 0);
  });

  test("survives a restart of shoald: what was healthy stays so, and what was ill", async () => {
    const { dir, mounts } = stage();
    writeFileSync(`${dir}/well`, "");
    const id = await started({ mounts, health: line("echo x >>/stage/asked; test -e /stage/well") });
    const ill = await started({ health: line("exit 4") });
    await node.containers().waitHealth(id, never);
    await node.containers().waitHealth(ill, never);
    await node.reopen();
    expect(await healthOf(id)).toMatchObject({ status: "healthy", failingStreak: 0 });
    expect(await healthOf(ill)).toMatchObject({ status: "unhealthy", failingStreak: 2 });
    const seen: string[] = [];
    node.containers().subscribe(({ action, container }) => {
      if (action === "health_status" && container.id === id) seen.push(container.health?.status ?? "");
    });
    const before = readFileSync(`${dir}/asked`, "utf8").length;
    await until(() => readFileSync(`${dir}/asked`, "utf8").length > before + 4);
    expect(seen).toEqual([]);
    rmSync(`${dir}/well`);
    expect(await node.containers().waitHealth(id, never, "healthy")).toBe("unhealthy");
    expect(seen).toEqual(["unhealthy"]);
  });

  test("learns nothing of containers while containerd is away", async () => {
    const id = await started({ health: line("true", { retries: 1 }) });
    await node.containers().waitHealth(id, never);
    const seen: string[] = [];
    node.containers().subscribe(({ action }) => {
      if (action === "health_status") seen.push(action);
    });
    const asked = async (): Promise<number> => (await healthOf(id)).log.at(-1)?.end ?? 0;
    await containerd.kill();
    const away = Date.now();
    await containerd.restart();
    await until(async () => (await asked()) > away + 300);
    expect(seen).toEqual([]);
    expect((await healthOf(id)).status).toBe("healthy");
  });

  test("says nothing of a container that ends meanwhile", async () => {
    const seen: string[] = [];
    node.containers().subscribe(({ action, container }) => {
      if (["start", "die", "health_status"].includes(action)) {
        seen.push(action === "start" ? action : `${action} ${container.health?.status}`);
      }
    });
    // Its only probe is running when process 1 is killed: the kernel takes both.
    const id = await started({ health: line("sleep 999", { retries: 1 }) });
    await until(() => running(id, "sleep 999").length > 0);
    process.kill((await node.containers().get(id))!.pid!, "SIGKILL");
    expect(await node.containers().wait(id, never)).toEqual({ exitCode: 137 });
    expect(seen).toEqual(["start", "die unhealthy"]);
    expect((await healthOf(id)).log).toEqual([]);
    await node.containers().start(id);
    expect(await healthOf(id)).toMatchObject({ status: "starting", failingStreak: 0 });
    await until(() => running(id, "sleep 999").length > 0);
    await node.containers().remove(id);
    expect(node.leftovers()).toEqual([]);
  });

  test("of fifty containers each second costs a bounded part of the machine", async () => {
    const configs = Array.from({ length: 50 }, () =>
      node.config(image, "exec sleep 1000", { health: line("exit 0", { intervalMs: 1_000 }) }),
    );
    await Promise.all(
      configs.map(async (config) => {
        await node.containers().create(config);
        await node.containers().start(config.id);
      }),
    );
    await Promise.all(configs.map(({ id }) => node.containers().waitHealth(id, never)));
    const pids = [process.pid, containerd.pid(), ...node.shims()];
    let probes = 0;
    let enough: () => void;
    const done = new Promise<void>((resolve) => {
      enough = resolve;
    });
    const quiet = node.containers().subscribe(({ action }) => {
      if (action === "exec_die" && ++probes === 400) enough();
    });
    const before = [cpuMs(pids), performance.now(), childrenMs(node.shims())] as const;
    await done;
    quiet();
    const [cpu, wall, runc] = [
      cpuMs(pids) - before[0],
      performance.now() - before[1],
      childrenMs(node.shims()) - before[2],
    ];
    const each = (ms: number): string => (ms / probes).toFixed(1);
    console.log(
      `${probes} probes in ${Math.round(wall)} ms: ${each(cpu)} ms of shoald, containerd and shims, ${each(runc)} ms of runc and the program, a probe`,
    );
    expect((cpu + runc) / probes).toBeLessThan(250);
    for (const { id } of configs) expect((await healthOf(id)).status).toBe("healthy");
    await Promise.all(configs.map(({ id }) => node.containers().remove(id)));
    expect(node.leftovers()).toEqual([]);
  });
});

const TICK_MS = 10;

/** CPU time of these processes: utime and stime of proc(5) stat. */
function cpuMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + ticks(pid, 11) + ticks(pid, 12), 0) * TICK_MS;
}

/** Of their children that have ended: cutime and cstime. */
function childrenMs(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + ticks(pid, 13) + ticks(pid, 14), 0) * TICK_MS;
}

/** Fields are counted from the state on. */
function ticks(pid: number, field: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[field]);
}
