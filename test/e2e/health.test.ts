import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { killDaemon, startHost } from "../../src/lab/index.ts";
import { systemClock } from "../../src/sys/index.ts";
import { wordsOf } from "../../src/wire/service-flags.fake.ts";
import { sayable } from "../support/cli.ts";
import { eventually, hostParts, type TaskContainer, TestSwarm } from "../support/swarm.ts";

/** Health checks as users see them, and the reasons of ends in `docker service ps`; templates in containers. */

let swarm: TestSwarm;
const HOSTS = ["1", "2", "3"];

beforeAll(async () => {
  swarm = await TestSwarm.up("health");
  await Promise.all(
    HOSTS.flatMap((host) =>
      ["busybox", "shoal/probe"].map((image) => swarm.docker(host, "pull", "-q", image)),
    ),
  );
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
});

const create = (name: string, ...args: string[]) =>
  swarm.docker("1", "service", "create", "-d", "-q", "--name", name, ...args);

const check = (command: string) => ["--health-cmd", command, "--health-interval", "300ms"];

/** The tasks of a service that are so now, as docker says it. */
async function tasksIn(service: string, state: string): Promise<string[]> {
  const rows = await swarm.ps(service, "{{.ID}}|{{.CurrentState}}");
  return rows
    .filter((row) => row.split("|")[1]?.startsWith(`${state} `))
    .map((row) => row.split("|")[0] ?? "");
}

describe("a service with a health check", () => {
  const url = () => `http://${swarm.ip("1")}:8080/`;
  let tasks: TaskContainer[];

  /** Who answers so many connections through the mesh; "" for none. */
  async function answers(count: number): Promise<Set<string>> {
    const names = new Set<string>();
    for (let i = 0; i < count; i++) {
      const { stdout } = await swarm.exec("client", "curl", "-s", "--max-time", "3", url());
      names.add(stdout === "" ? "" : (JSON.parse(stdout) as { hostname: string }).hostname);
    }
    return names;
  }
  const nameOf = (task: TaskContainer) => task.id.slice(0, 12);

  beforeAll(async () => {
    await create(
      ...(["gate", "--replicas", "3", "-p", "8080:80", "--restart-delay", "1s"] as const),
      ...check("test -e /ok || { echo /ok is missing; exit 1; }"),
      ...wordsOf(sayable("--health-retries 2 --health-start-period 5m --health-start-interval 300ms")),
      "shoal/probe",
    );
    tasks = await eventually(20_000, "three containers run", async () => {
      const found = await swarm.containers("gate");
      return found.length === 3 && found;
    });
  });

  test("its tasks are starting, and no endpoints, until they are healthy", async () => {
    await eventually(
      10_000,
      "all are starting",
      async () => (await tasksIn("gate", "Starting")).length === 3,
    );
    expect(
      await swarm.docker("1", "service", "ls", "--format", "{{.Replicas}}", "--filter", "name=gate"),
    ).toBe("0/3");
    expect(await answers(6)).toEqual(new Set([""]));
    for (const task of tasks.slice(0, 2)) await swarm.inTask(task, "touch", "/ok");
    await eventually(10_000, "two run", async () => (await tasksIn("gate", "Running")).length === 2);
    await eventually(5_000, "two answer", async () => !(await answers(4)).has(""));
    expect(await answers(40)).toEqual(new Set(tasks.slice(0, 2).map(nameOf)));
    expect(await tasksIn("gate", "Starting")).toEqual([tasks[2]?.taskId]);
  });

  test("one that becomes unhealthy is replaced, says why, and costs nobody a request", async () => {
    await swarm.inTask(tasks[2]!, "touch", "/ok");
    await swarm.replicas("gate", 3);
    const load = swarm.exec(
      ...(["client", "sh", "-c"] as const),
      `for i in $(seq 150); do curl -s -o /dev/null -w '%{http_code}\\n' --max-time 3 ${url()}; sleep 0.02; done`,
    );
    await swarm.inTask(tasks[0]!, "rm", "/ok");
    const row = await eventually(30_000, "it has failed", async () => {
      const rows = await swarm.ps("gate", "{{.ID}}|{{.CurrentState}}|{{.Error}}");
      const found = rows.find((text) => text.startsWith(`${tasks[0]?.taskId}|Failed `));
      return found ?? Promise.reject(new Error(rows.join("\n")));
    });
    expect(row).toMatch(/\|"task: unhealthy container: \/ok is missing"$/);
    const codes = (await load).stdout.trim().split("\n");
    expect(codes.filter((code) => code !== "200")).toEqual([]);
    await eventually(
      10_000,
      "another is starting",
      async () => (await tasksIn("gate", "Starting")).length === 1,
    );
  });

  test("a shoald that comes back finds its tasks as healthy as they were", async () => {
    const before = await swarm.ps("gate", "{{.ID}} {{.CurrentState}}", "--filter", "desired-state=running");
    for (const host of HOSTS) {
      if (host === "1") continue;
      await killDaemon(swarm.lab, host, systemClock);
      await startHost(swarm.lab, host, hostParts);
    }
    await eventually(20_000, "all nodes are ready", async () => {
      const states = await swarm.docker("1", "node", "ls", "--format", "{{.Status}}");
      return states.split("\n").every((state) => state === "Ready");
    });
    const statesOf = (rows: string[]) => rows.map((row) => row.split(" ").slice(0, 2).join(" ")).sort();
    const after = await swarm.ps("gate", "{{.ID}} {{.CurrentState}}", "--filter", "desired-state=running");
    expect(statesOf(after)).toEqual(statesOf(before));
  });
});

describe("why a task ended", () => {
  const once = ["--restart-condition", "none"];
  const SICK = [
    "--health-cmd",
    "echo the db is down; exit 1",
    "--health-interval",
    "200ms",
    "--health-retries",
    "2",
  ];

  test.each<[name: string, flags: string[], command: string[], state: string, why: RegExp]>([
    [
      "logs",
      [],
      ["sh", "-c", "echo first; echo 'fatal: no table' >&2; exit 7"],
      "Failed",
      /^task: non-zero exit \(7\): .*fatal: no table/,
    ],
    ["quiet", [], ["sh", "-c", "exit 3"], "Failed", /^task: non-zero exit \(3\)$/],
    [
      "kept",
      ["--log-driver", "none"],
      ["sh", "-c", "echo x; exit 3"],
      "Failed",
      /^task: non-zero exit \(3\)$/,
    ],
    [
      "oom",
      ["--limit-memory", "16m"],
      ["sh", "-c", "x=a; while true; do x=$x$x; done"],
      "Failed",
      /^task: non-zero exit \(137\): out of memory \(limit 16 MiB\)/,
    ],
    [
      "sick",
      [...SICK, "--stop-grace-period", "200ms"],
      ["sleep", "600"],
      "Failed",
      /^task: unhealthy container: the db is down$/,
    ],
    [
      "noexec",
      [],
      ["/no/such"],
      "Failed",
      /^starting container failed: .*\/no\/such.*no such file or directory/,
    ],
    [
      "nobind",
      ["--mount", "type=bind,source=/no/such,target=/x"],
      ["sleep", "9"],
      "Rejected",
      /bind source path does not exist: \/no\/such$/,
    ],
    [
      "template",
      ["--env", "PASS=x{{.Service.Labels.y}}"],
      ["sleep", "9"],
      "Rejected",
      /^expanding env PASS failed: .*the service has no label "y"$/,
    ],
  ])("%s", async (name, flags, command, state, why) => {
    await create(name, ...once, ...flags, "busybox", ...command);
    const row = await eventually(20_000, `${name} has ended`, async () => {
      const [first = ""] = await swarm.ps(name, "{{.CurrentState}}|{{.Error}}");
      return first.startsWith(`${state} `) && first;
    });
    const said = row.slice(row.indexOf("|") + 1).replace(/^"|"$/g, "");
    expect(said).toMatch(why);
    expect(said.length).toBeLessThanOrEqual(400);
  });

  test("an image that is not there is told in the registry's words", async () => {
    await create("nopull", ...once, "shoal/nothere:1");
    const row = await eventually(20_000, "it was rejected", async () => {
      const [first = ""] = await swarm.ps("nopull", "{{.CurrentState}}|{{.Error}}");
      return first.startsWith("Rejected ") && first;
    });
    expect(row).toContain("manifest for shoal/nothere:1 not found: manifest unknown");
  });
});

test("templates say on each node what they are about", async () => {
  const words = [
    ...[
      "--hostname",
      "{{.Service.Name}}-{{.Task.Slot}}",
      "--env",
      "ON={{.Node.Hostname}}/{{.Node.Platform.OS}}",
    ],
    ...["--env", 'LABEL={{index .Service.Labels "com.example.zone"}}', "--label", "com.example.zone=north"],
    ...["--mount", "type=volume,source=data-{{.Task.Slot}},target=/{{.Task.Name}}"],
  ];
  await swarm.service("tmpl", "--replicas", "2", ...words, "busybox", "sleep", "600");
  for (const task of await swarm.containers("tmpl")) {
    const node = await swarm.docker(task.host, "info", "--format", "{{.Name}}");
    const format =
      '{{.Config.Hostname}}|{{index .Config.Labels "com.docker.swarm.task.name"}}|{{json .Config.Env}}|{{(index .Mounts 0).Name}}|{{(index .Mounts 0).Destination}}';
    const [hostname, name, env, volume, target] = (
      await swarm.docker(task.host, "inspect", "--format", format, task.id)
    ).split("|");
    const slot = name?.split(".")[1];
    expect([hostname, volume, target]).toEqual([`tmpl-${slot}`, `data-${slot}`, `/${name}`]);
    expect(JSON.parse(env ?? "")).toEqual(expect.arrayContaining([`ON=${node}/linux`, "LABEL=north"]));
    expect((await swarm.inTask(task, "cat", "/etc/hostname")).stdout.trim()).toBe(hostname);
  }
  const refused = await swarm.try("1", "service", "create", "-d", "--hostname", "{{.Task.Sloth}}", "busybox");
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("there is no .Sloth in .Task")]);
});
