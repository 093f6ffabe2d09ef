import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { execOk } from "../../src/sys/index.ts";
import { wordsOf } from "../../src/wire/service-flags.fake.ts";
import { eventually, TestSwarm, tally } from "../support/swarm.ts";

/** Flags whose effect is where tasks run, how many and when, or who reaches them: seen in `service ps`, in tasks, by a client. */

let swarm: TestSwarm;
const docker = (...args: string[]) => swarm.docker("1", ...args);
const nameOf = (host: string) => `${swarm.lab.name}-${host}`;

beforeAll(async () => {
  swarm = await TestSwarm.up("flagsvc");
  await Promise.all(["1", "2", "3"].map((host) => swarm.docker(host, "pull", "-q", "busybox")));
  const labels = [
    ["zone=a", "rack=x"],
    ["zone=a", "rack=y"],
    ["zone=b", "rack=y"],
  ];
  for (const [i, [zone = "", rack = ""]] of labels.entries()) {
    await docker("node", "update", "--label-add", zone, "--label-add", rack, nameOf(String(i + 1)));
  }
  for (const name of ["front", "back"]) await docker("network", "create", "-d", "overlay", name);
});

afterAll(async () => {
  await swarm?.[Symbol.asyncDispose]();
});

const QUICK = ["--stop-grace-period", "300ms"];
const create = (name: string, flags: string, command = "sleep 1000") =>
  docker(
    "service",
    "create",
    "-d",
    "-q",
    "--name",
    name,
    ...QUICK,
    ...wordsOf(flags),
    "busybox",
    ...wordsOf(command),
  );
const update = (name: string, flags: string) =>
  docker("service", "update", "-d", "-q", ...wordsOf(flags), name);

/** How many tasks that shall run do so on each host, once the counts are these. */
async function spread(name: string, counts: readonly number[]): Promise<void> {
  await eventually(30_000, `${name} runs ${counts} on the hosts`, async () => {
    const nodes = await swarm.ps(name, "{{.Node}} {{.CurrentState}}", "-f", "desired-state=running");
    const running = tally(nodes.filter((row) => / Running /.test(row)).map((row) => row.split(" ")[0] ?? ""));
    const found = ["1", "2", "3"].map((host) => running.get(nameOf(host)) ?? 0);
    return String(found) === String(counts) || Promise.reject(new Error(`${found}: ${nodes}`));
  });
}

const pending = (name: string, why: RegExp) =>
  eventually(20_000, `${name} says why it waits`, async () => {
    const rows = await swarm.ps(name, "{{.CurrentState}} {{.Error}}");
    return (
      rows.some((row) => row.startsWith("Pending ") && why.test(row)) ||
      Promise.reject(new Error(rows.join()))
    );
  });

/** `service update --max-concurrent`, as the API takes it: CLI 28 has the flag, and sends nothing for it. */
async function concurrently(name: string, MaxConcurrent: number): Promise<void> {
  await update(name, `--max-concurrent ${MaxConcurrent}`);
  const curl = ["curl", "-sS", "--fail", "--unix-socket", swarm.hostPaths("1").apiSocket] as const;
  const service = JSON.parse(await execOk([...curl, `http://docker/services/${name}`]));
  const { ReplicatedJob } = service.Spec.Mode;
  const Spec = { ...service.Spec, Mode: { ReplicatedJob: { ...ReplicatedJob, MaxConcurrent } } };
  const json = ["-H", "content-type: application/json", "-d", JSON.stringify(Spec)];
  await execOk([...curl, ...json, `http://docker/services/${name}/update?version=${service.Version.Index}`]);
}

describe.concurrent("where", () => {
  test("--constraint and --replicas-max-per-node, -add and -rm, --replicas", async () => {
    await create("bound", "--replicas 3 --constraint node.role==worker --replicas-max-per-node 1");
    await spread("bound", [0, 1, 1]);
    await pending("bound", /max replicas per node limit exceed/);
    await update(
      "bound",
      "--constraint-add node.labels.zone==b --constraint-rm node.role==worker --replicas-max-per-node 4 --update-parallelism 0",
    );
    await spread("bound", [0, 0, 3]);
    await update("bound", "--replicas 2");
    await spread("bound", [0, 0, 2]);
  });

  test("--placement-pref, -add and -rm", async () => {
    await create("evenly", "--replicas 6 --placement-pref spread=node.labels.zone --update-parallelism 0");
    await eventually(20_000, "half are in zone b", async () => {
      const nodes = await swarm.ps("evenly", "{{.Node}}", "-f", "desired-state=running");
      return tally(nodes).get(nameOf("3")) === 3;
    });
    await update(
      "evenly",
      "--placement-pref-rm spread=node.labels.zone --placement-pref-add spread=node.labels.rack --force",
    );
    await eventually(30_000, "half are in rack x", async () => {
      const nodes = await swarm.ps("evenly", "{{.Node}}", "-f", "desired-state=running");
      return nodes.length === 6 && tally(nodes).get(nameOf("1")) === 3;
    });
  });

  test("--reserve-cpu and --reserve-memory are what a node must have", async () => {
    await create("greedy", "--reserve-cpu 1000");
    await pending("greedy", /insufficient resources on 3 nodes/);
    await update("greedy", "--reserve-cpu 0.1 --reserve-memory 1000g");
    await pending("greedy", /insufficient resources on 3 nodes/);
    await update("greedy", "--reserve-memory 8m");
    await swarm.replicas("greedy", 1);
  });

  test("--mode global is one on each; --max-concurrent of a job are at work at a time", async () => {
    await create("each", "--mode global");
    await create("batch", "--mode replicated-job --replicas 5 --max-concurrent 2");
    await create("sweep", "--mode global-job", "true");
    await spread("each", [1, 1, 1]);
    const running = async () => (await swarm.containers("batch")).length;
    await eventually(20_000, "two are at work", async () => (await running()) === 2);
    expect(await docker("service", "ls", "--filter", "name=batch", "--format", "{{.Replicas}}")).toBe(
      "2/2 (0/5 completed)",
    );
    await concurrently("batch", 3);
    await eventually(20_000, "three are at work", async () => (await running()) === 3);
    await eventually(20_000, "each node has swept", async () => {
      const text = await docker("service", "ls", "--filter", "name=sweep", "--format", "{{.Replicas}}");
      return text.includes("(3/3 completed)");
    });
    await docker("service", "rm", "each", "batch", "sweep");
  });
});

describe.concurrent("who reaches it", () => {
  const status = async (port: number) => {
    const url = `http://${swarm.ip("2")}:${port}/`;
    const curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "2", url];
    return (await swarm.exec("client", ...curl)).stdout;
  };
  const answers = (port: number, code: string) =>
    eventually(20_000, `port ${port} answers ${code}`, async () => (await status(port)) === code);

  test("--network with an alias, --publish, -add and -rm", async () => {
    const serve = "sh -c 'httpd -p 80; httpd -p 81; exec sleep 1000'";
    await create("web", "--network name=front,alias=www -p 8080:80", serve);
    await create("asks", "--network front --network back");
    await swarm.replicas("web", 1);
    await swarm.replicas("asks", 1);
    await answers(8080, "404"); // an httpd without pages
    const [asker] = await swarm.containers("asks");
    const resolves = async (name: string) =>
      (await swarm.inTask(asker!, "nslookup", name)).stdout.includes("Name:");
    await eventually(10_000, "the alias is known", () => resolves("www"));
    await update("web", "--network-add back --network-rm front --publish-add 8443:81 --publish-rm 80");
    await answers(8443, "404");
    await answers(8080, "000");
    await eventually(20_000, "one task is on the other network", async () => {
      const [task, ...more] = await swarm.containers("web");
      if (task === undefined || more.length > 0) return false;
      const format = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
      return (await swarm.docker(task.host, "inspect", "--format", format, task.id)) === "back ingress";
    });
    await eventually(
      10_000,
      "the name is known there, the alias is gone",
      async () => (await resolves("web")) && !(await resolves("www")),
    );
  });

  test("--config-add puts a file into its tasks", async () => {
    await docker("config", "create", "motd", import.meta.filename);
    await create("told", "--replicas 1");
    await swarm.replicas("told", 1);
    await update("told", "--config-add source=motd,target=/etc/motd");
    await eventually(20_000, "a task has the file", async () => {
      const [task] = await swarm.containers("told");
      return task && (await swarm.inTask(task, "cat", "/etc/motd")).stdout.includes("--config-add puts");
    });
  });
});

/** A task that was planned at one time and ran at another, of a slot; milliseconds. */
interface Times {
  readonly slot: number;
  readonly created: number;
  readonly state: string;
  readonly at: number;
}

async function timesOf(name: string): Promise<Times[]> {
  const ids = await swarm.ps(name, "{{.ID}}");
  const tasks = JSON.parse(await docker("inspect", ...ids)) as {
    Slot: number;
    CreatedAt: string;
    Status: { State: string; Timestamp: string };
  }[];
  return tasks
    .map(({ Slot, CreatedAt, Status }) => ({
      slot: Slot,
      created: Date.parse(CreatedAt),
      state: Status.State,
      at: Date.parse(Status.Timestamp),
    }))
    .sort((a, b) => a.created - b.created);
}

const stateOf = (name: string) =>
  docker("service", "inspect", "--format", "{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}", name);
const reaches = (name: string, state: string) =>
  eventually(40_000, `${name} is ${state}`, async () => {
    const is = await stateOf(name);
    return is === state || Promise.reject(new Error(is));
  });

/** How the tasks that run now came: the times between their plans, and whether the old one of the slot was gone by then. */
async function rollout(name: string): Promise<{ gaps: number[]; startFirst: boolean[] }> {
  const times = await timesOf(name);
  const now = times.filter(({ state }) => state === "running");
  const gaps = now.slice(1).map(({ created }, i) => created - (now[i]?.created ?? 0));
  const startFirst = now.map(({ slot, at }) => {
    const old = times.findLast((time) => time.slot === slot && time.state !== "running");
    return (old?.at ?? 0) > at;
  });
  return { gaps, startFirst };
}

/** Two at a time with two seconds between, the new ones first. */
const inPairs = {
  gaps: [expect.toSatisfy(soon), expect.toSatisfy(late), expect.toSatisfy(soon)],
  startFirst: [true, true, true, true],
};
/** All at once, the old ones first. */
const atOnce = {
  gaps: [expect.toSatisfy(soon), expect.toSatisfy(soon), expect.toSatisfy(soon)],
  startFirst: [false, false, false, false],
};
function soon(ms: number): boolean {
  return ms < 1500;
}
function late(ms: number): boolean {
  return ms >= 2000;
}

describe.concurrent("when", () => {
  test("--update-parallelism, -delay, -order, -monitor", async () => {
    await create(
      "pairs",
      "--replicas 4 --update-parallelism 2 --update-delay 2s --update-order start-first --update-monitor 100ms",
    );
    await swarm.replicas("pairs", 4);
    await update("pairs", "--force");
    await reaches("pairs", "completed");
    expect(await rollout("pairs")).toEqual(inPairs);
    await update(
      "pairs",
      "--update-parallelism 0 --update-delay 0s --update-order stop-first --update-monitor 200ms --force",
    );
    await eventually(20_000, "it has begun", async () => (await stateOf("pairs")) !== "");
    await reaches("pairs", "completed");
    await swarm.replicas("pairs", 4);
    expect(await rollout("pairs")).toEqual(atOnce);
  });

  test("--rollback-parallelism, -delay, -order, -monitor", async () => {
    await create(
      "undone",
      "--replicas 4 --update-parallelism 0 --update-monitor 100ms --rollback-parallelism 2 --rollback-delay 2s --rollback-order start-first --rollback-monitor 100ms",
    );
    await swarm.replicas("undone", 4);
    await update("undone", "--force");
    await reaches("undone", "completed");
    await docker("service", "rollback", "-d", "undone");
    await reaches("undone", "rollback_completed");
    expect(await rollout("undone")).toEqual(inPairs);
    const now =
      "--rollback-parallelism 0 --rollback-delay 0s --rollback-order stop-first --rollback-monitor 200ms";
    await update("undone", `${now} --force`);
    await reaches("undone", "completed");
    await update("undone", "--force");
    await eventually(20_000, "it has begun", async () => (await stateOf("undone")) !== "completed");
    await reaches("undone", "completed");
    await docker("service", "rollback", "-d", "undone");
    await reaches("undone", "rollback_completed");
    expect(await rollout("undone")).toEqual(atOnce);
  });

  const FAILS = "--args 'sh -c \"exit 3\"'";

  test("--update-failure-action and -max-failure-ratio", async () => {
    const soonNone = "--restart-condition none --update-monitor 1s";
    await create("failing", `${soonNone} --update-failure-action rollback --update-max-failure-ratio 0.5`);
    await swarm.replicas("failing", 1);
    await update("failing", FAILS);
    await reaches("failing", "rollback_completed");
    await update("failing", `${FAILS} --update-failure-action pause --update-max-failure-ratio 1`);
    await reaches("failing", "completed");
    await update("failing", `${FAILS} --force --update-max-failure-ratio 0`);
    await reaches("failing", "paused");
  });

  test("--rollback-failure-action and -max-failure-ratio", async () => {
    const flags =
      "--restart-condition none --update-monitor 100ms --rollback-monitor 1s --rollback-failure-action pause";
    await create("worse", `${flags} --rollback-max-failure-ratio 0.5`, "sh -c 'exit 3'");
    await eventually(20_000, "it has failed", async () =>
      (await swarm.ps("worse", "{{.CurrentState}}"))[0]?.startsWith("Failed"),
    );
    await update("worse", "--args 'sleep 1000'");
    await reaches("worse", "completed");
    await docker("service", "rollback", "-d", "worse");
    await reaches("worse", "rollback_paused");
    await update(
      "worse",
      "--args 'sleep 1000' --rollback-failure-action continue --rollback-max-failure-ratio 0",
    );
    await reaches("worse", "completed");
    await docker("service", "rollback", "-d", "worse");
    await reaches("worse", "rollback_paused");
  });

  test("--restart-condition, -delay, -max-attempts, -window", async () => {
    const flags =
      "--restart-condition on-failure --restart-delay 1s --restart-max-attempts 2 --restart-window 10m";
    await create("again", flags, "sh -c 'exit 3'");
    const ended = (count: number) =>
      eventually(30_000, `${count} tasks, all ended for good`, async () => {
        const rows = await swarm.ps("again", "{{.DesiredState}} {{.CurrentState}}");
        return (
          rows.filter((row) => row.startsWith("Shutdown Failed")).length === count && rows.length === count
        );
      });
    await ended(3);
    const [first, second] = await timesOf("again");
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(1000);
    await update(
      "again",
      "--restart-condition none --restart-delay 0s --restart-max-attempts 0 --restart-window 0s",
    );
    await ended(4);
    const format = "{{json .Spec.TaskTemplate.RestartPolicy}}";
    expect(JSON.parse(await docker("service", "inspect", "--format", format, "again"))).toEqual({
      Condition: "none",
      Delay: 0,
      MaxAttempts: 0,
    });
  });
});

test.each([
  ["create --log-driver syslog", /json-file.*none/],
  ["create --credential-spec file://spec.json", /credential-spec/],
  ["create --isolation hyperv", /invalid isolation 'hyperv' on linux/],
])("what cannot be served is refused: %s", async (line, why) => {
  const { code, stderr } = await swarm.try("1", "service", ...wordsOf(line), "-d", "busybox");
  expect([code, stderr]).toEqual([1, expect.stringMatching(why)]);
});

test.each([
  ["update --log-driver syslog", /json-file.*none/],
  ["update --credential-spec file://spec.json", /credential-spec/],
  ["update --isolation hyperv", /invalid isolation 'hyperv' on linux/],
])("what cannot be served is refused: %s", async (line, why) => {
  const { code, stderr } = await swarm.try("1", "service", ...wordsOf(line), "-d", "greedy");
  expect([code, stderr]).toEqual([1, expect.stringMatching(why)]);
});
