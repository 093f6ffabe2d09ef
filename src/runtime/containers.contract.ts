import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ContainerConfig, ContainerEvent, Containers, LogEntry, LogOptions } from "./container.ts";
import type { HealthCheck } from "./health.ts";

/** A fresh node for a contract test. */
export interface ContainersHarness {
  readonly containers: Containers;
  /** A config that works here, with an id of its own; `sh -c script` when a script is given. */
  config(script?: string, more?: Partial<ContainerConfig>): ContainerConfig;
  end(): Promise<void>;
}

const ALL: LogOptions = { follow: false, stdout: true, stderr: true };
/** Runs on and ends by itself on SIGTERM. */
const POLITE = 'trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done';

/** A health check that does not make a test wait. */
const FAST: HealthCheck = {
  ...{ test: [], intervalMs: 100, timeoutMs: 10_000, startPeriodMs: 0, startIntervalMs: 50, retries: 2 },
};

/** What every implementation of Containers does. */
export function containersContract(name: string, make: () => Promise<ContainersHarness>): void {
  describe(`${name} as containers`, () => {
    let it: ContainersHarness;
    const never = new AbortController().signal;
    beforeEach(async () => {
      it = await make();
    });
    afterEach(() => it.end());

    const read = async (id: string, options: Partial<LogOptions> = {}): Promise<string[]> => {
      const lines: string[] = [];
      for await (const entry of it.containers.logs(id, { ...ALL, ...options }, never))
        lines.push(show(entry));
      return lines;
    };
    const started = async (script: string, more?: Partial<ContainerConfig>): Promise<string> => {
      const config = it.config(script, more);
      await it.containers.create(config);
      await it.containers.start(config.id);
      return config.id;
    };
    /** Resolves when it has printed "ready". */
    const ready = async (id: string): Promise<void> => {
      for await (const _ of it.containers.logs(id, { ...ALL, follow: true }, never)) return;
    };

    test("a container is created, started, waited for, and gone when it is removed", async () => {
      const { containers } = it;
      const config = it.config("echo out; exit 3", { labels: { a: "1" } });
      const events: string[] = [];
      const stop = containers.subscribe(({ action, container }: ContainerEvent) =>
        events.push(`${action} ${container.id === config.id ? container.status : "another"}`),
      );
      await containers.create(config);
      expect(await containers.get(config.id)).toMatchObject({
        status: "created",
        name: config.name,
        image: config.image,
        command: ["sh", "-c", "echo out; exit 3"],
        config,
      });
      expect(await containers.start(config.id)).toBeGreaterThan(0);
      expect(await containers.wait(config.id, never)).toEqual({ exitCode: 3 });
      const ended = await containers.get(config.id);
      expect(ended).toMatchObject({ status: "stopped", exitCode: 3, oomKilled: false });
      expect(ended?.pid).toBeUndefined();
      expect(ended!.createdAt).toBeLessThanOrEqual(ended!.startedAt!);
      expect(ended!.startedAt).toBeLessThanOrEqual(ended!.finishedAt!);
      expect(await containers.wait(config.id, never)).toEqual({ exitCode: 3 });
      expect(await read(config.id)).toEqual(["stdout out"]);
      await containers.remove(config.id);
      await containers.remove(config.id);
      expect(await containers.get(config.id)).toBeUndefined();
      expect(await containers.list()).toEqual([]);
      stop();
      expect(events).toEqual(["create created", "start running", "die stopped", "destroy stopped"]);
    });

    test("output comes by stream, in order, and follows to the end", async () => {
      const id = await started(POLITE.replace("ready", "one; echo two >&2; echo three"));
      const following = read(id, { follow: true });
      const errors = read(id, { follow: true, stdout: false });
      await ready(id);
      await it.containers.stop(id, { graceMs: 10_000 });
      expect(new Set(await following)).toEqual(new Set(["stdout one", "stderr two", "stdout three"]));
      expect(await errors).toEqual(["stderr two"]);
      expect(await read(id, { stderr: false })).toEqual(["stdout one", "stdout three"]);
      expect(await read(id, { stderr: false, tail: 1 })).toEqual(["stdout three"]);
    });

    test("stop asks first, and again is no error", async () => {
      const id = await started(POLITE);
      await ready(id);
      await it.containers.stop(id, { graceMs: 60_000 });
      await it.containers.stop(id, { graceMs: 60_000 });
      expect(await it.containers.get(id)).toMatchObject({ status: "stopped", exitCode: 5 });
    });

    test("stop uses the config's signal", async () => {
      const script = POLITE.replace("TERM", "USR1");
      const id = await started(script, { stopSignal: "SIGUSR1" });
      await ready(id);
      await it.containers.stop(id, { graceMs: 60_000 });
      expect((await it.containers.get(id))?.exitCode).toBe(5);
    });

    test("stop kills what does not listen", async () => {
      const id = await started("echo ready; sleep 1000");
      await ready(id);
      await it.containers.stop(id, { graceMs: 1 });
      expect(await it.containers.get(id)).toMatchObject({ status: "stopped", exitCode: 137 });
    });

    test("a container that was never started stops and goes without a word", async () => {
      const config = it.config("exit 0");
      await it.containers.create(config);
      await it.containers.stop(config.id, { graceMs: 1 });
      expect((await it.containers.get(config.id))?.status).toBe("created");
      const waiting = it.containers.wait(config.id, never);
      const refused = expect(waiting).rejects.toMatchObject({ kind: "not-found" });
      await it.containers.remove(config.id);
      await refused;
    });

    test("a running container is removed by force", async () => {
      const id = await started("sleep 1000");
      const waiting = it.containers.wait(id, never);
      await it.containers.remove(id);
      expect(await waiting).toEqual({ exitCode: 137 });
      expect(await it.containers.list()).toEqual([]);
    });

    test("wait ends with its signal's reason", async () => {
      const id = await started("sleep 1000");
      const stop = new AbortController();
      const waiting = it.containers.wait(id, stop.signal);
      stop.abort(new Error("enough"));
      await expect(waiting).rejects.toThrow("enough");
      await expect(it.containers.wait(id, stop.signal)).rejects.toThrow("enough");
    });

    test("list finds by label, by value or any", async () => {
      const one = it.config("exit 0", { labels: { role: "web", zone: "" } });
      const other = it.config("exit 0", { labels: { role: "db" } });
      await Promise.all([one, other].map((config) => it.containers.create(config)));
      const ids = async (labels?: Record<string, string>): Promise<Set<string>> =>
        new Set((await it.containers.list(labels)).map(({ id }) => id));
      expect(await ids()).toEqual(new Set([one.id, other.id]));
      expect(await ids({ role: "" })).toEqual(new Set([one.id, other.id]));
      expect(await ids({ role: "web" })).toEqual(new Set([one.id]));
      expect(await ids({ role: "web", zone: "" })).toEqual(new Set([one.id]));
      expect(await ids({ role: "web", zone: "x" })).toEqual(new Set());
    });

    test("a stopped container starts again, and its log goes on", async () => {
      const id = await started("echo again; exit 0");
      await it.containers.wait(id, never);
      await it.containers.start(id);
      await it.containers.wait(id, never);
      expect(await read(id)).toEqual(["stdout again", "stdout again"]);
    });

    test("making the same container twice is once; another of its name is refused", async () => {
      const config = it.config("exit 0");
      await it.containers.create(config);
      await it.containers.create(config);
      expect(await it.containers.list()).toHaveLength(1);
      const other = { ...it.config("exit 0"), name: config.name };
      await expect(it.containers.create(other)).rejects.toMatchObject({
        kind: "conflict",
        message: expect.stringContaining(
          `The container name "/${config.name}" is already in use by container "${config.id}"`,
        ),
      });
    });

    test("a program that is not there is refused at the start, in runc's words", async () => {
      const config = { ...it.config(), args: ["nosuch"] };
      await it.containers.create(config);
      await expect(it.containers.start(config.id)).rejects.toMatchObject({
        kind: "invalid",
        message: expect.stringMatching(/OCI runtime.*exec: "nosuch": executable file not found in \$PATH/),
      });
      expect((await it.containers.get(config.id))?.status).toBe("created");
      await it.containers.remove(config.id);
    });

    test("what does not make sense leaves nothing", async () => {
      const { containers } = it;
      const twice = { type: "tmpfs", source: "", target: "/t", readOnly: false } as const;
      await expect(
        containers.create(it.config("exit 0", { mounts: [twice, { ...twice, target: "/t/" }] })),
      ).rejects.toThrow("Duplicate mount point: /t");
      await expect(containers.create(it.config("exit 0", { stopSignal: "SIGNO" }))).rejects.toThrow(
        "invalid signal: SIGNO",
      );
      await expect(
        containers.create(it.config("exit 0", { image: "nobody/nothing:1" })),
      ).rejects.toMatchObject({
        kind: "not-found",
      });
      expect(await containers.list()).toEqual([]);
    });

    test("a program runs beside process 1, and its output and exit code come back", async () => {
      const id = await started(POLITE);
      const events: string[] = [];
      const stop = it.containers.subscribe(({ action, exec }) =>
        events.push([action, exec?.exitCode, ...(exec?.args.slice(2) ?? [])].filter(Boolean).join(" ")),
      );
      const script = "echo out; echo err >&2; exit 7";
      const result = await it.containers.exec(id, { args: ["sh", "-c", script] }, never);
      stop();
      expect(result.exitCode).toBe(7);
      expect(result.output.split("\n").sort()).toEqual(["", "err", "out"]);
      expect(events).toEqual([`exec_create ${script}`, `exec_start ${script}`, `exec_die 7 ${script}`]);
      expect((await it.containers.get(id))?.status).toBe("running");
    });

    test("a program that is not there is refused, in runc's words; so is one where nothing runs", async () => {
      const id = await started(POLITE);
      await expect(it.containers.exec(id, { args: ["nosuch"] }, never)).rejects.toMatchObject({
        kind: "invalid",
        message: expect.stringMatching(
          /OCI runtime exec failed.*exec: "nosuch": executable file not found in \$PATH/,
        ),
      });
      await it.containers.stop(id, { graceMs: 10_000 });
      await expect(it.containers.exec(id, { args: ["sh"] }, never)).rejects.toMatchObject({
        kind: "conflict",
        message: `container ${id} is not running`,
      });
    });

    test("a program ends with its signal, or with its container", async () => {
      const id = await started(POLITE);
      const long = (): Promise<unknown> =>
        it.containers.exec(id, { args: ["sh", "-c", "sleep 1000"] }, stop.signal);
      const stop = new AbortController();
      const aborted = expect(long()).rejects.toThrow("enough");
      stop.abort(new Error("enough"));
      await aborted;
      const begun = new Promise<void>((resolve) => {
        const quiet = it.containers.subscribe(({ action }) => {
          if (action !== "exec_start") return;
          quiet();
          resolve();
        });
      });
      const died = it.containers.exec(id, { args: ["sh", "-c", "sleep 1000"] }, never);
      await begun;
      await it.containers.stop(id, { graceMs: 0 });
      expect(await died).toMatchObject({ exitCode: 137 });
    });

    test("health follows what the probes say, and the events tell of it", async () => {
      const test = ["CMD-SHELL", "echo looking; test -e /tmp/well"];
      const health = { ...FAST, test, startPeriodMs: 60_000 };
      const id = await started(POLITE, { health });
      const seen: string[] = [];
      const quiet = it.containers.subscribe(({ action, container }) => {
        if (action === "health_status") seen.push(container.health?.status ?? "none");
      });
      expect(await it.containers.get(id)).toMatchObject({
        healthCheck: health,
        health: { status: "starting", failingStreak: 0 },
      });
      await it.containers.exec(id, { args: ["sh", "-c", "touch /tmp/well"] }, never);
      expect(await it.containers.waitHealth(id, never)).toBe("healthy");
      expect(await it.containers.waitHealth(id, never)).toBe("healthy");
      await it.containers.exec(id, { args: ["sh", "-c", "rm /tmp/well"] }, never);
      expect(await it.containers.waitHealth(id, never, "healthy")).toBe("unhealthy");
      const state = await it.containers.get(id);
      expect(state?.health).toMatchObject({ status: "unhealthy", failingStreak: 2 });
      const last = state!.health!.log.at(-1)!;
      expect(last).toMatchObject({ exitCode: 1, output: "looking\n" });
      expect(last.end).toBeGreaterThanOrEqual(last.start);
      await it.containers.stop(id, { graceMs: 10_000 });
      quiet();
      expect(seen).toEqual(["healthy", "unhealthy"]);
      expect((await it.containers.get(id))?.health?.status).toBe("unhealthy");
    });

    test("a probe that takes too long, or cannot run, has failed", async () => {
      const slow = { ...FAST, test: ["CMD-SHELL", "echo slow; sleep 1000"], timeoutMs: 300, retries: 1 };
      const broken = { ...FAST, test: ["CMD", "nosuch"], retries: 1 };
      const ids = [await started(POLITE, { health: slow }), await started(POLITE, { health: broken })];
      for (const id of ids) expect(await it.containers.waitHealth(id, never)).toBe("unhealthy");
      const [late, missing] = await Promise.all(ids.map((id) => it.containers.get(id)));
      expect(late?.health?.log.at(-1)).toMatchObject({
        ...{ exitCode: -1, output: "Health check exceeded timeout (300ms): slow\n" },
      });
      expect(missing?.health?.log.at(-1)).toMatchObject({
        ...{ exitCode: -1, output: expect.stringContaining("executable file not found in $PATH") },
      });
    });

    test("without a health check there is no health; the wait for it ends with its signal, or its container", async () => {
      const id = await started(POLITE, { health: { ...FAST, test: ["NONE"] } });
      expect((await it.containers.get(id))?.health).toBeUndefined();
      await expect(it.containers.waitHealth(id, never)).rejects.toMatchObject({ kind: "invalid" });
      const ill = await started(POLITE, { health: { ...FAST, test: ["CMD-SHELL", "sleep 1000"] } });
      const stop = new AbortController();
      const aborted = expect(it.containers.waitHealth(ill, stop.signal)).rejects.toThrow("enough");
      stop.abort(new Error("enough"));
      await aborted;
      const removed = expect(it.containers.waitHealth(ill, never)).rejects.toMatchObject({
        kind: "not-found",
      });
      await it.containers.remove(ill);
      await removed;
    });

    test("a log that is not kept cannot be read, in Docker's words", async () => {
      const id = await started("echo unheard; exit 0", { logDriver: "none" });
      expect(await it.containers.wait(id, never)).toEqual({ exitCode: 0 });
      await expect(read(id)).rejects.toMatchObject({
        kind: "unsupported",
        message: "configured logging driver does not support reading",
      });
      expect((await it.containers.get(id))?.logPath).toBe("");
    });

    test("nothing is done to a container that is not there", async () => {
      const id = "0".repeat(64);
      const missing = { kind: "not-found", message: `No such container: ${id}` };
      await expect(it.containers.start(id)).rejects.toMatchObject(missing);
      await expect(it.containers.stop(id, { graceMs: 1 })).rejects.toMatchObject(missing);
      await expect(it.containers.wait(id, never)).rejects.toMatchObject(missing);
      await expect(read(id)).rejects.toMatchObject(missing);
      await expect(it.containers.exec(id, { args: ["sh"] }, never)).rejects.toMatchObject(missing);
      await expect(it.containers.waitHealth(id, never)).rejects.toMatchObject(missing);
      expect(await it.containers.get(id)).toBeUndefined();
      await it.containers.remove(id);
    });
  });
}

function show({ stream, line }: LogEntry): string {
  return `${stream} ${Buffer.from(line).toString().trimEnd()}`;
}
