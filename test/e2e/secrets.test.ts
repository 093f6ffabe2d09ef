import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { dockerEnv, killHost, startHost } from "../../src/lab/index.ts";
import { exec, systemClock } from "../../src/sys/index.ts";
import { eventually, hostParts, TestSwarm } from "../support/swarm.ts";

/** Secrets and configs by the stock CLI: where they are, and where they are not. */

const HOSTS = ["1", "2", "3"] as const;
/** No file that was there before the run can have them. */
const SECRET = `hush-${randomBytes(9).toString("hex")}`;
const RENEWED = `hush-renewed-${randomBytes(9).toString("hex")}`;
const OF_STACK = `hush-stack-${randomBytes(9).toString("hex")}`;
const ALL = [SECRET, RENEWED, OF_STACK];
const IS_UP = "while :; do sleep 0.1; done";

let swarm: TestSwarm;

beforeAll(async () => {
  swarm = await TestSwarm.up("secrets");
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
});

const docker = (...args: string[]) => swarm.docker("1", ...args);
const nameOf = (host: string) => `${swarm.lab.name}-${host}`;

async function make(
  kind: "secret" | "config",
  name: string,
  data: string,
  ...flags: string[]
): Promise<void> {
  const path = join(swarm.hostPaths("1").run, name);
  writeFileSync(path, data);
  await docker(kind, "create", ...flags, name, path);
  await exec(["rm", path]);
}

async function inside(service: string, ...argv: string[]): Promise<string> {
  const [task] = await swarm.containers(service);
  if (task === undefined) throw new Error(`no task of ${service} runs`);
  const { stdout, stderr } = await swarm.inTask(task, ...argv);
  return `${stdout}${stderr}`;
}

/** Tmpfs of containers' files that a host has. */
async function filesOn(host: string): Promise<number> {
  const { stdout } = await exec(["grep", "-c", `^shoal-files ${swarm.hostPaths(host).run}/`, "/proc/mounts"]);
  return Number(stdout);
}

/** The bytes of a secret, as hexadecimal digits, and as base64 of either alphabet however it lies in a longer text. */
function formsOf(secret: string): string[] {
  const shifted = ([0, 1, 2] as const).flatMap((by) => {
    const text = Buffer.from(`${"x".repeat(by)}${secret}`);
    return (["base64", "base64url"] as const).map((form) => text.toString(form).slice(by === 0 ? 0 : 4, -4));
  });
  const hex = Buffer.from(secret).toString("hex");
  return [...new Set([secret, hex, hex.toUpperCase(), ...shifted])];
}

/**
 * Files of the lab's hosts that hold one of the words: data folders with the store, containerd's folders and what containers wrote, logs, and
 * what is under `exec-root`. What is mounted there is the tasks' own: their roots, and the tmpfs that their secrets are on.
 */
async function filesWith(...words: string[]): Promise<string[]> {
  const patterns = words.flatMap(formsOf).flatMap((word) => ["-e", word]);
  const folders = HOSTS.map((host) => swarm.hostPaths(host)).flatMap((paths) => [
    ...[paths.data, paths.run, paths.log, paths.containerdLog],
  ]);
  const grep = ["-exec", "grep", "-laF", ...patterns, "{}", "+"];
  const own = ["-name", "netns", "-prune", "-o", "-type", "f"];
  const { stdout, stderr } = await exec(["find", ...folders, "-xdev", ...own, ...grep]);
  // What goes away meanwhile is no leak.
  expect(
    stderr.split("\n").filter((line) => line !== "" && !line.endsWith("No such file or directory")),
  ).toEqual([]);
  return [...new Set(stdout.split("\n").filter(Boolean))];
}

/** Ends a host's shoald as a bug would: with a core, if the machine makes any of it. */
async function abortDaemon(host: string): Promise<void> {
  const pid = readFileSync(`${swarm.hostPaths(host).run}/shoald.pid`, "utf8").trim();
  await exec(["prlimit", "--core=unlimited", "--pid", pid]);
  await exec(["kill", "-ABRT", pid]);
  await eventually(10_000, "shoald has ended", async () => !existsSync(`/proc/${pid}/exe`));
}

test("a service's secrets and configs are files of its containers, on the nodes that run it and on no other", async () => {
  await make("secret", "token", SECRET);
  await make("config", "motd", "hello");
  const site = '{{.Node.Hostname}} {{.Service.Name}}.{{.Task.Slot}} {{secret "token"}} {{env "ZONE"}}\n';
  await make("config", "site", site, "--template-driver", "golang");
  await swarm.service(
    "app",
    ...["--constraint", `node.hostname==${nameOf("2")}`],
    ...["--secret", "token", "--secret", "source=token,target=/keys/own,uid=7,gid=8,mode=0400"],
    ...["--config", "motd", "--config", "site", "--env", "ZONE=north", "busybox", "sh", "-c", IS_UP],
  );
  expect(await inside("app", "cat", "/run/secrets/token", "/keys/own", "/motd")).toBe(
    `${SECRET}${SECRET}hello`,
  );
  // Seen on the manager, too, by who asks for it: it goes through three programs of ours, and stays with none.
  const [task] = await swarm.containers("app");
  expect(await docker("exec", task!.taskId, "cat", "/run/secrets/token")).toBe(SECRET);
  expect(await inside("app", "cat", "/site")).toBe(`${nameOf("2")} app.1 ${SECRET} north\n`);
  expect(await inside("app", "stat", "-c", "%u:%g %a", "/keys/own", "/motd")).toBe("7:8 400\n0:0 444\n");
  expect(await inside("app", "sh", "-c", "echo x > /run/secrets/token")).toContain("Read-only file system");
  expect(await Promise.all(HOSTS.map(filesOn))).toEqual([0, 1, 0]);
  const refused = await swarm.try("1", "secret", "rm", "token");
  expect(refused.stderr).toContain("secret 'token' is in use by the following service: app");
});

test("a secret is rotated by a rolling update", async () => {
  await make("secret", "token-2", RENEWED);
  await docker(
    ...[
      "service",
      "update",
      "-d",
      "-q",
      "--secret-rm",
      "token",
      "--config-rm",
      "motd",
      "--config-rm",
      "site",
    ],
    ...["--secret-add", "source=token-2,target=token", "app"],
  );
  await eventually(30_000, "the new secret is there", async () => {
    return (await inside("app", "cat", "/run/secrets/token")) === RENEWED;
  });
  expect(await inside("app", "ls", "/run/secrets")).toBe("token\n");
  await docker("secret", "rm", "token");
  await docker("config", "rm", "motd", "site");
});

test("a running container keeps its secrets while shoald is away, and the next gets them from the manager", async () => {
  const [before] = await swarm.containers("app");
  await abortDaemon("2");
  expect((await swarm.inTask(before!, "cat", "/run/secrets/token")).stdout).toBe(RENEWED);
  await startHost(swarm.lab, "2", hostParts);
  const [after] = await eventually(20_000, "the container is listed again", async () => {
    const found = await swarm.containers("app", ["2"]);
    return found.length > 0 && found;
  });
  expect(after?.pid).toBe(before?.pid);
  await docker("service", "update", "-d", "-q", "--force", "app");
  await eventually(30_000, "another container has it", async () => {
    const [now] = await swarm.containers("app");
    return now !== undefined && now.pid !== before?.pid;
  });
  expect(await inside("app", "cat", "/run/secrets/token")).toBe(RENEWED);
});

test("a secret that a stack file brings is told to nobody on its way", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-stack-"));
  writeFileSync(join(folder, "key.txt"), OF_STACK);
  const stack = {
    services: {
      web: { image: "busybox", command: ["sh", "-c", IS_UP], secrets: ["key"], stop_grace_period: "0s" },
    },
    secrets: { key: { file: "./key.txt" } },
  };
  writeFileSync(join(folder, "compose.json"), JSON.stringify(stack));
  const cli = resolve(import.meta.dirname, "../../dist/cli/main.js");
  const env = { ...process.env, ...dockerEnv(swarm.lab, "1") };
  const file = ["-f", join(folder, "compose.json"), "st"];
  const run = (verb: string, ...flags: string[]) =>
    exec([process.execPath, cli, "stack", verb, ...flags, ...file], { env });
  const said = [await run("plan"), await run("deploy", "--detach"), await run("plan")];
  rmSync(folder, { recursive: true });
  expect(said.map(({ code }) => code)).toEqual([0, 0, 0]);
  await swarm.replicas("st_web");
  expect(await inside("st_web", "cat", "/run/secrets/key")).toBe(OF_STACK);
  const text = said.map(({ stdout, stderr }) => stdout + stderr).join("");
  expect(formsOf(OF_STACK).filter((form) => text.includes(form))).toEqual([]);
});

test("a shoald that breaks leaves no core, though other programs on this machine would", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-core-"));
  const core = readFileSync("/proc/sys/kernel/core_pattern", "utf8").trim();
  await exec(["prlimit", "--core=unlimited", "sh", "-c", `cd ${folder} && kill -ABRT $$`]);
  // A pipe to a program of the machine cannot be looked into; what decides is the same.
  if (core === "core") expect(existsSync(join(folder, "core"))).toBe(true);
  rmSync(folder, { recursive: true });
  rmSync("/core", { force: true });
  await abortDaemon("1");
  expect(existsSync("/core")).toBe(false);
  await startHost(swarm.lab, "1", hostParts);
});

test("no file of any host has ever held a secret: not the store's, not a log, not what agents save", async () => {
  expect(await filesWith(...ALL)).toEqual([]);
  // Not for want of looking.
  const { data } = swarm.hostPaths("3");
  const leaks = formsOf(`{"a":"${SECRET}"}`).map((leak, i) => {
    const path = join(data, `leak-${i}`);
    writeFileSync(path, leak);
    return path;
  });
  expect((await filesWith(SECRET)).sort()).toEqual(leaks.sort());
  for (const leak of leaks) rmSync(leak);
  const words = [
    docker("secret", "inspect", "token-2"),
    docker("service", "inspect", "app"),
    docker("inspect", (await swarm.containers("app"))[0]!.taskId),
    swarm.docker("2", "inspect", (await swarm.containers("app"))[0]!.id),
    exec(["sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ"]).then(({ stdout }) => stdout),
  ];
  const said = (await Promise.all(words)).join("\n");
  expect(ALL.flatMap(formsOf).filter((form) => said.includes(form))).toEqual([]);
});

test("a power cut takes all of it from the node, and the node gets it again with its task", async () => {
  await killHost(swarm.lab, "2", systemClock);
  expect(await filesOn("2")).toBe(0);
  await startHost(swarm.lab, "2", hostParts);
  await swarm.replicas("app");
  await eventually(60_000, "the task runs with its secret", async () => {
    return (await inside("app", "cat", "/run/secrets/token")) === RENEWED;
  });
  expect(await filesWith(...ALL)).toEqual([]);
});

test("with the service its files go", async () => {
  await docker("service", "rm", "app", "st_web");
  await eventually(30_000, "no host has any", async () => {
    return (await Promise.all(HOSTS.map(filesOn))).every((count) => count === 0);
  });
  await docker("secret", "rm", ...(await docker("secret", "ls", "-q")).split("\n"));
  expect(await docker("secret", "ls", "-q")).toBe("");
});
