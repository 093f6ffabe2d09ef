import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { killDaemon, killHost, startHost } from "../../src/lab/index.ts";
import { exec, systemClock } from "../../src/sys/index.ts";
import { eventually, hostParts, TestSwarm } from "../support/swarm.ts";

/** Secrets and configs by the stock CLI: where they are, and where they are not. */

const HOSTS = ["1", "2", "3"] as const;
const SECRET = "hush-3f0c9a7e51d2";
const RENEWED = "hush-renewed-84bb17";
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

/** The bytes of a secret, and its base64 however it lies in a longer one. */
function formsOf(secret: string): string[] {
  const shifted = [0, 1, 2].map((by) => {
    const whole = Buffer.from(`${"x".repeat(by)}${secret}`).toString("base64");
    return whole.slice(by === 0 ? 0 : 4, -4);
  });
  return [secret, ...shifted];
}

/** Files of the lab's hosts on a disk that hold one of the words. */
async function filesWith(...words: string[]): Promise<string[]> {
  const patterns = words.flatMap(formsOf).flatMap((word) => ["-e", word]);
  const folders = HOSTS.map((host) => swarm.hostPaths(host).data);
  const { stdout } = await exec(["grep", "-rlaF", ...patterns, ...folders]);
  return stdout.split("\n").filter(Boolean);
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
  await killDaemon(swarm.lab, "2", systemClock);
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

test("no file of any host has ever held a secret: not the store's, not a log, not what agents save", async () => {
  expect(await filesWith(SECRET, RENEWED)).toEqual([]);
  // Not for want of looking.
  const { data } = swarm.hostPaths("3");
  writeFileSync(join(data, "leak"), Buffer.from(`{"a":"${SECRET}"}`).toString("base64"));
  expect(await filesWith(SECRET)).toEqual([join(data, "leak")]);
  await exec(["rm", join(data, "leak")]);
  const words = [
    docker("secret", "inspect", "token-2"),
    docker("service", "inspect", "app"),
    swarm.docker("2", "inspect", (await swarm.containers("app"))[0]!.id),
    exec(["sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ"]).then(({ stdout }) => stdout),
  ];
  const said = (await Promise.all(words)).join("\n");
  expect([SECRET, RENEWED].flatMap(formsOf).filter((form) => said.includes(form))).toEqual([]);
});

test("a power cut takes all of it from the node, and the node gets it again with its task", async () => {
  await killHost(swarm.lab, "2", systemClock);
  expect(await filesOn("2")).toBe(0);
  await startHost(swarm.lab, "2", hostParts);
  await swarm.replicas("app");
  await eventually(60_000, "the task runs with its secret", async () => {
    return (await inside("app", "cat", "/run/secrets/token")) === RENEWED;
  });
  expect(await filesWith(SECRET, RENEWED)).toEqual([]);
});

test("with the service its files go", async () => {
  await docker("service", "rm", "app");
  await eventually(30_000, "no host has any", async () => {
    return (await Promise.all(HOSTS.map(filesOn))).every((count) => count === 0);
  });
  await docker("secret", "rm", "token-2");
  expect(await docker("secret", "ls", "-q")).toBe("");
});
