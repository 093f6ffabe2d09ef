import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { dockerEnv, killDaemon, startHost } from "../../src/lab/index.ts";
import { systemClock } from "../../src/sys/index.ts";
import { eventually, hostParts, type TaskContainer, TestSwarm } from "../support/swarm.ts";

/** Logs of services and containers, the stream of events, and programs in tasks of other nodes, as the stock CLI shows them. */

let swarm: TestSwarm;

beforeAll(async () => {
  swarm = await TestSwarm.up("logs", 2);
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
});

/** A service of a shell script in busybox. */
const shell = (name: string, script: string, ...flags: string[]) =>
  swarm.service(name, ...flags, "busybox", "sh", "-c", script);

/** A docker command that goes on until it is stopped, and what it has printed so far. */
function followed(host: string, ...args: string[]) {
  const child = spawn("docker", args, {
    env: { ...process.env, ...dockerEnv(swarm.lab, host) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk));
  const closed = new Promise<number | null>((resolve) => child.on("close", resolve));
  return {
    text: () => text,
    closed,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await closed;
    },
  };
}

test("two streams, the last lines, times and those since a time", async () => {
  await shell("talk", "for i in 1 2 3; do echo out $i; echo err $i >&2; sleep 0.3; done; exec sleep 1000");
  const read = (...args: string[]) => swarm.try("1", "service", "logs", ...args, "talk");
  await eventually(10_000, "all is said", async () => (await read()).stdout.includes("out 3"));
  await eventually(10_000, "on both streams", async () => (await read()).stderr.includes("err 3"));
  const both = await read("--raw");
  expect(both).toMatchObject({ stdout: "out 1\nout 2\nout 3\n", stderr: "err 1\nerr 2\nerr 3\n" });
  const last = await read("--raw", "--tail", "2");
  expect(last).toMatchObject({ stdout: "out 3\n", stderr: "err 3\n" });
  const named = (await read()).stdout.split("\n")[0];
  expect(named).toMatch(/^talk\.1\.\w{12}@\S+-[12] {4}\| out 1$/);
  const timed = (await read("--raw", "-t")).stdout.split("\n").filter(Boolean);
  const times = timed.map((line) => line.split(" ")[0] ?? "");
  expect(times).toEqual(times.filter((t) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/.test(t)));
  expect([...times].sort()).toEqual(times);
  const since = await read("--raw", "--since", times[2] ?? "");
  expect(since.stdout).toBe("out 3\n");
  expect((await read("--raw", "--since", "1h")).stdout).toBe("out 1\nout 2\nout 3\n");

  const [task] = await swarm.containers("talk");
  const local = (...args: string[]) => swarm.try(task?.host ?? "", "logs", ...args, task?.id ?? "");
  expect(await local()).toMatchObject({ stdout: "out 1\nout 2\nout 3\n", stderr: "err 1\nerr 2\nerr 3\n" });
  // Two pipes: which of two lines written at the same moment is read first is nobody's promise, Docker's neither.
  const tail = await local("-n", "1");
  expect(["out 3\n", "err 3\n"]).toContain(tail.stdout + tail.stderr);
  expect((await local("-t", "--since", times[2] ?? "")).stdout).toBe(`${times[2]} out 3\n`);
  expect((await local("--until", times[0] ?? "")).stdout).toBe("out 1\n");
  const ofTask = await swarm.docker("1", "service", "logs", "--raw", "--tail", "1", task?.taskId ?? "");
  expect(ofTask === "out 3" || ofTask === "").toBe(true);
});

test("followed logs of replicas on two hosts go on, also with those that come later", async () => {
  await shell(
    "tick",
    "while true; do echo tick; sleep 0.2; done",
    "--replicas",
    "2",
    "--stop-grace-period",
    "1s",
  );
  await using logs = followed("1", "service", "logs", "--follow", "tick");
  const slots = () => new Set(logs.text().match(/^tick\.\d+/gm));
  await eventually(10_000, "both are heard", async () => slots().size === 2);
  const hosts = new Set(logs.text().match(/@\S+/g));
  expect(hosts.size).toBe(2);
  await swarm.docker("1", "service", "scale", "-d", "tick=3");
  await eventually(10_000, "the third is heard", async () => slots().has("tick.3"));
  const [one] = await swarm.containers("tick", ["2"]);
  await using local = followed("2", "logs", "-f", "--tail", "0", one?.id ?? "");
  await eventually(
    5_000,
    "a host's own logs are followed",
    async () => local.text().split("tick").length > 3,
  );
  await swarm.docker("1", "service", "rm", "tick");
  expect(await local.closed).toBe(0);
});

test("logs are cut at max-size and kept in max-file files", async () => {
  const line = "x".repeat(99);
  const script = `i=0; while [ $i -lt 3000 ]; do echo ${line}; i=$((i+1)); done; echo LAST; exec sleep 1000`;
  await shell(
    "loud",
    script,
    "--log-driver",
    "json-file",
    "--log-opt",
    "max-size=50k",
    "--log-opt",
    "max-file=3",
  );
  const [task] = await swarm.containers("loud");
  const host = task?.host ?? "";
  await eventually(
    20_000,
    "the last line is there",
    async () => (await swarm.docker(host, "logs", "-n", "1", task?.id ?? "")) === "LAST",
  );
  const file = await swarm.docker(host, "inspect", "--format", "{{.LogPath}}", task?.id ?? "");
  const files = readdirSync(dirname(file)).filter((name) => /-json\.log(\.\d+)?$/.test(name));
  const total = files.reduce((sum, name) => sum + statSync(`${dirname(file)}/${name}`).size, 0);
  expect(total).toBeLessThan(3 * 50_000 * 1.2);
  expect(total).toBeGreaterThan(2 * 50_000);
  const lines = (await swarm.docker(host, "logs", task?.id ?? "")).split("\n");
  expect(lines.at(-1)).toBe("LAST");
  expect(lines.length).toBeGreaterThan(200);
  expect(lines.length).toBeLessThan(3001);
  expect(lines.slice(0, -1).every((l) => l === line)).toBe(true);
});

test("events tell of services, networks, nodes and containers as they come, and of those since a time", async () => {
  const began = new Date().toISOString();
  const format = "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}";
  await using events = followed("1", "events", "--format", format);
  await using others = followed("2", "events", "--format", format);
  const heard = () => events.text().split("\n");
  let tries = 0;
  await eventually(10_000, "events are heard", async () => {
    // A new one each time: making one that is there is no event.
    tries += 1;
    for (const host of ["1", "2"]) await swarm.docker(host, "volume", "create", `heard-${tries}`);
    return events.text() !== "" && others.text() !== "";
  });
  await swarm.docker("1", "network", "create", "-d", "overlay", "told");
  await swarm.service("told", "--network", "told", "--replicas", "2", "shoal/probe");
  await swarm.docker("1", "service", "scale", "-d", "told=1");
  await swarm.docker("1", "service", "rm", "told");
  await eventually(
    10_000,
    "the network is free",
    async () => (await swarm.try("1", "network", "rm", "told")).code === 0,
  );
  const wanted = [
    "network create told",
    "service create told",
    "service update told",
    "service remove told",
    "network remove told",
  ];
  await eventually(10_000, "all is told", async () => {
    expect(
      heard()
        .filter((row) => /^(service|network) .*told$/.test(row))
        .filter((row, i, all) => all.indexOf(row) === i),
    ).toEqual(wanted);
    return true;
  });
  for (const stream of [events, others]) {
    await eventually(10_000, "containers are told on their own host", async () =>
      ["create", "start", "kill", "die"].every((action) =>
        new RegExp(`^container ${action} told\\.\\d\\.\\w+$`, "m").test(stream.text()),
      ),
    );
    expect(stream.text()).not.toMatch(/undefined|null/);
  }
  const past = await swarm.docker(
    "1",
    "events",
    "--since",
    began,
    "--until",
    new Date().toISOString(),
    "--filter",
    "type=service",
    "--filter",
    "event=create",
    "--format",
    format,
  );
  expect(past.split("\n")).toEqual(["service create told"]);
});

/** A docker command of the manager with this input. */
async function fed(input: string | Uint8Array, command: string, ...args: string[]) {
  const child = spawn(command, args, { env: { ...process.env, ...dockerEnv(swarm.lab, "1") } });
  const [out, err]: Buffer[][] = [[], []];
  child.stdout.on("data", (chunk: Buffer) => out?.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err?.push(chunk));
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, stdout: Buffer.concat(out ?? []), stderr: String(Buffer.concat(err ?? [])) };
}

/** The task of service "far", which the worker runs. */
async function far(): Promise<TaskContainer> {
  const [task] = await swarm.containers("far", ["2"]);
  if (task === undefined) throw new Error("no task of far runs");
  return task;
}

/** The programs in its container, as its own node shows them. */
async function programsOf({ host, id }: TaskContainer): Promise<string[]> {
  const rows = (await swarm.docker(host, "top", id, "-eo", "pid,args")).split("\n").slice(1);
  return rows.map((row) => row.trim().replace(/^\d+\s+/, ""));
}

const hasEnded = (task: TaskContainer, program: string) =>
  eventually(10_000, `${program} has ended`, async () => !(await programsOf(task)).includes(program));
const hasBegun = (task: TaskContainer, program: string) =>
  eventually(10_000, `${program} runs`, async () => (await programsOf(task)).includes(program));

test("docker exec on the manager reaches a task of the worker, by any of its names", async () => {
  await shell("far", "exec sleep 1000", "--constraint", "node.role==worker");
  const task = await far();
  const name = `far.1.${task.taskId}`;
  for (const ref of [task.taskId, task.taskId.slice(0, 12), name, task.id, task.id.slice(0, 12)]) {
    expect(await swarm.try("1", "exec", ref, "sh", "-c", "hostname; echo no >&2; exit 7")).toMatchObject({
      ...{ code: 7, stdout: `${task.id.slice(0, 12)}\n`, stderr: "no\n" },
    });
  }
  const words = ["-u", "nobody", "-w", "/tmp", "-e", "A=b", task.taskId, "sh", "-c", "id -un; pwd; echo $A"];
  expect(await swarm.docker("1", "exec", ...words)).toBe("nobody\n/tmp\nb");
  expect(await swarm.try("1", "exec", task.taskId, "nosuch")).toMatchObject({
    code: 127,
    stdout: expect.stringContaining('"nosuch": executable file not found in $PATH'),
  });
  expect(await swarm.docker("1", "top", task.taskId, "-o", "pid,args")).toMatch(/\d+ +sleep 1000/);
  // It is a task and a container: what is asked of either is said.
  const both = "{{.Status.State}} {{.State.Status}} {{.Name}}";
  expect(await swarm.docker("1", "inspect", "--format", both, task.taskId)).toBe(`running running /${name}`);
  // On its own node it goes by them, too; elsewhere but on a manager by none.
  expect(await swarm.docker("2", "exec", task.taskId, "hostname")).toBe(task.id.slice(0, 12));
  await swarm.docker("1", "exec", "-d", task.taskId, "sleep", "76");
  await hasBegun(task, "sleep 76");
});

test("input to its end, and many megabytes both ways, byte for byte", async () => {
  const { taskId } = await far();
  expect(await fed("a\nb", "docker", "exec", "-i", taskId, "cat")).toMatchObject({ code: 0 });
  const data = randomBytes(32 << 20);
  const { stdout } = await fed(data, "docker", "exec", "-i", taskId, "cat");
  expect(createHash("sha256").update(stdout).digest("hex")).toBe(
    createHash("sha256").update(data).digest("hex"),
  );
});

test("a terminal has its size, and passes on what is typed: also an interrupt", async () => {
  const task = await far();
  const inside =
    "until stty size | grep -q '^33 99'; do sleep 0.1; done; tty; read x; echo got $x; exec sleep 75";
  const command = `stty rows 33 cols 99; docker exec -it ${task.taskId} sh -c "${inside.replaceAll("$", "\\$")}"`;
  const child = spawn("script", ["-qec", command, "/dev/null"], {
    env: { ...process.env, ...dockerEnv(swarm.lab, "1") },
  });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk));
  const closed = new Promise<number | null>((resolve) => child.on("close", resolve));
  const shown = (what: RegExp) => eventually(10_000, `${what} is shown`, async () => what.test(text));
  await shown(/\/dev\/pts\/\d/);
  child.stdin.write("words\n");
  await shown(/got words/);
  await hasBegun(task, "sleep 75");
  child.stdin.write("\x03");
  expect(await closed).toBe(130);
  await hasEnded(task, "sleep 75");
});

test("who leaves a program of another node ends it there, and so does a manager that is lost", async () => {
  const task = await far();
  const leaving = followed("1", "exec", task.taskId, "sh", "-c", "sleep 74 & sleep 73");
  await hasBegun(task, "sleep 73");
  await leaving[Symbol.asyncDispose]();
  await Promise.all([hasEnded(task, "sleep 73"), hasEnded(task, "sleep 74")]);
  const lost = followed("1", "exec", task.taskId, "sleep", "72");
  await hasBegun(task, "sleep 72");
  await killDaemon(swarm.lab, "1", systemClock);
  await hasEnded(task, "sleep 72");
  await lost.closed;
  // What nobody looked at runs on.
  expect(await programsOf(task)).toContain("sleep 76");
  await startHost(swarm.lab, "1", hostParts);
  await eventually(20_000, "the manager reaches its nodes again", async () => {
    return (await swarm.try("1", "exec", task.taskId, "true")).code === 0;
  });
});

test("when it cannot be, Docker's status and a sentence: no task, one that has ended, a node that is away", async () => {
  const { taskId } = await far();
  const why = async (ref: string) => (await swarm.try("1", "exec", ref, "true")).stderr.trim();
  expect(await why("nosuch")).toMatch(/^Error.*: No such container: nosuch$/);
  expect((await swarm.try("2", "exec", "talk", "true")).stderr).toContain("No such container: talk");
  const once = ["service", "create", "-d", "-q", "--name", "once", "--mode", "replicated-job"];
  await swarm.docker("1", ...once, "--constraint", "node.role==worker", "busybox", "true");
  const ended = await eventually(20_000, "the job is done", async () => {
    const [row = ""] = await swarm.ps("once", "{{.ID}} {{.CurrentState}}");
    return row.includes("Complete") && row.split(" ")[0];
  });
  expect(await why(ended)).toMatch(/^Error response from daemon: container \w{64} is not running$/);
  await killDaemon(swarm.lab, "2", systemClock);
  const where = `cannot reach the container of task far.1.${taskId}: node ${swarm.lab.name}-2`;
  await eventually(10_000, "the manager misses the node", async () => {
    return (await why(taskId)) === `Error response from daemon: ${where} is not available`;
  });
});

/** Follows events by one `docker events` after the other, each from the last event that was heard on, until it has heard of `last`. */
async function followOn(last: string): Promise<string[]> {
  const heard: { Type: string; Action: string; timeNano: number; Actor: { Attributes: { name: string } } }[] =
    [];
  let text = "";
  while (!text.includes(last)) {
    // Microseconds are what a double keeps of it.
    const nanos = heard.at(-1)?.timeNano.toString().padEnd(19, "0") ?? `${Date.now()}000000`;
    await using stream = followed(
      "1",
      "events",
      "--since",
      `${nanos.slice(0, -9)}.${nanos.slice(-9)}`,
      "--format",
      "{{json .}}",
    );
    await Promise.race([stream.closed, eventually(120_000, last, async () => stream.text().includes(last))]);
    text = stream.text();
    const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
    heard.push(...lines.filter((line) => line !== "").map((line) => JSON.parse(line)));
    // A manager that was killed is not back at once.
    await eventually(
      60_000,
      "the manager answers",
      async () => (await swarm.try("1", "node", "ls")).code === 0,
    );
  }
  return heard.map(({ Type, Action, Actor }) => `${Type} ${Action} ${Actor.Attributes.name}`);
}

test("who asks for what came after the last event heard is told each change once, across a manager that is killed", async () => {
  const following = followOn("on-end");
  let isOver = false;
  const writing = (async () => {
    for (let i = 0; !isOver; i++) {
      // One that gets no answer may be there all the same.
      await swarm.try("1", "network", "create", "-d", "overlay", "--label", "on=1", `on-${i}x`);
      if (i % 3 === 2) await swarm.try("1", "network", "rm", `on-${i}x`);
    }
  })();
  const count = async () =>
    (await swarm.try("1", "network", "ls", "-q", "--filter", "label=on")).stdout.split("\n").length;
  for (const many of [4, 8]) {
    await eventually(60_000, "networks come", async () => (await count()) > many);
    await killDaemon(swarm.lab, "1", systemClock);
    await startHost(swarm.lab, "1", hostParts);
  }
  await eventually(60_000, "networks come", async () => (await count()) > 12);
  isOver = true;
  await writing;
  await swarm.docker("1", "network", "create", "-d", "overlay", "on-end");
  const told = (await following).filter((row) => /^network \w+ on-\d+x$/.test(row));
  expect(told, "none is doubled").toEqual([...new Set(told)]);
  const list = await swarm.docker("1", "network", "ls", "--format", "{{.Name}}", "--filter", "label=on");
  const there = list.trim().split("\n");
  expect(
    there.filter((name) => !told.includes(`network create ${name}`)),
    "none is lost",
  ).toEqual([]);
  for (const row of told.filter((one) => one.startsWith("network create"))) {
    const name = row.split(" ")[2] ?? "";
    expect(told.includes(`network remove ${name}`), row).toBe(!there.includes(name));
  }
});
