import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, TestSwarm } from "../support/swarm.ts";

/** The life of services, by the stock CLI: updates, rollbacks, scaling, ports, ends and restarts. */

let swarm: TestSwarm;
const HOSTS = ["1", "2", "3"];

beforeAll(async () => {
  swarm = await TestSwarm.up("services");
  // Every host has the images before times are taken.
  await Promise.all(
    HOSTS.flatMap((host) =>
      ["busybox", "shoal/probe"].map((image) => swarm.docker(host, "pull", "-q", image)),
    ),
  );
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
});

/** The CLI's own wait for a service: what it printed and how long it took; it must have succeeded. */
async function watched(...args: string[]): Promise<{ text: string; ms: number }> {
  const began = performance.now();
  const text = await swarm.docker("1", "service", ...args);
  return { text, ms: performance.now() - began };
}

const inspect = (what: string, format: string) => swarm.docker("1", "inspect", "--format", format, what);

async function status(host: string, port: number): Promise<string> {
  const url = `http://${swarm.ip(host)}:${port}/`;
  const curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "3", url];
  return (await swarm.exec("client", ...curl)).stdout;
}

describe.concurrent("updates", () => {
  test("the CLI sees create, a new image and a rollback converge; service ps tells the story", async () => {
    // It watches for five seconds after the last change before it says "converged".
    const created = await watched(
      "create",
      "--name",
      "web",
      "--replicas",
      "3",
      "--stop-grace-period",
      "500ms", // busybox's httpd does not care for SIGTERM
      "-p",
      "8080:80",
      "shoal/probe",
    );
    expect(created.text).toMatch(/verify: Service( \w+)? converged/);
    expect(created.ms).toBeLessThan(12_000);
    const updated = await watched("update", "--image", "busybox", "--args", "httpd -f -p 80", "web");
    expect(updated.text).toMatch(/verify: Service( web)? converged/);
    expect(updated.ms).toBeLessThan(20_000);
    expect(await inspect("web", "{{.UpdateStatus.State}} {{.UpdateStatus.Message}}")).toBe(
      "completed update completed",
    );
    expect(await status("2", 8080)).toBe("404"); // busybox's httpd has no pages
    const story = await swarm.ps("web", "{{.Name}}|{{.Image}}|{{.DesiredState}}|{{.CurrentState}}");
    expect(story).toHaveLength(6);
    for (const slot of ["web.1", "web.2", "web.3"]) {
      const at = story.findIndex((row) => row.startsWith(`${slot}|busybox:latest`));
      expect(story[at]).toMatch(/\|Running\|Running (less than a second|\d+ seconds?) ago$/);
      expect(story[at + 1]).toMatch(
        new RegExp(`^ \\\\\\\\_ ${slot}\\\\|shoal/probe:latest@?.*\\\\|Shutdown\\\\|Shutdown .* ago$`),
      );
    }
    const back = await watched("rollback", "web");
    expect(back.text).toMatch(/rollback: manually requested rollback/);
    expect(back.text).toMatch(/verify: Service( web)? converged/);
    expect(await inspect("web", "{{.UpdateStatus.State}}")).toBe("rollback_completed");
    expect(await status("3", 8080)).toBe("200");
  });

  test("the environment and --force make new tasks, a changed number only the missing ones", async () => {
    await swarm.service("env", "--replicas", "2", "--env", "COLOR=red", "shoal/probe");
    const idsOf = async () => (await swarm.containers("env")).map((c) => c.taskId).sort();
    const first = await idsOf();
    await swarm.docker("1", "service", "update", "-d", "--env-add", "COLOR=blue", "env");
    await eventually(20_000, "both tasks are blue", async () => {
      const tasks = await swarm.containers("env");
      const values = await Promise.all(
        tasks.map((t) => swarm.docker(t.host, "inspect", "--format", "{{.Config.Env}}", t.id)),
      );
      return values.length === 2 && values.every((v) => v.includes("COLOR=blue"));
    });
    await eventually(
      10_000,
      "the update is over",
      async () => (await inspect("env", "{{.UpdateStatus.State}}")) === "completed",
    );
    const second = await idsOf();
    expect(second.filter((id) => first.includes(id))).toEqual([]);
    await swarm.docker("1", "service", "update", "-d", "--replicas", "4", "env");
    await swarm.replicas("env", 4);
    expect((await idsOf()).filter((id) => second.includes(id))).toEqual(second);
    await swarm.docker("1", "service", "update", "-d", "--force", "env");
    await eventually(20_000, "four new tasks run, none of the old", async () => {
      const third = await idsOf();
      return third.length === 4 && !third.some((id) => second.includes(id));
    });
  });

  test("several services are scaled at once, and the CLI waits for all", async () => {
    await Promise.all([
      swarm.service("a", "shoal/probe"),
      swarm.service("b", "--replicas", "3", "shoal/probe"),
    ]);
    const { text } = await watched("scale", "a=4", "b=1");
    expect(text).toMatch(/a scaled to 4/);
    expect(text).toMatch(/b scaled to 1/);
    expect([(await swarm.containers("a")).length, (await swarm.containers("b")).length]).toEqual([4, 1]);
    const { stderr, code } = await swarm.try("1", "service", "scale", "-d", "a=2", "nobody=3");
    expect([code, stderr]).toEqual([1, expect.stringContaining("nobody")]);
  });
});

describe.concurrent("ports", () => {
  test("a port that is not said is given out from 30000 on, and open on every host", async () => {
    await swarm.service("dynamic", "-p", "80", "shoal/probe");
    const port = Number(await inspect("dynamic", "{{(index .Endpoint.Ports 0).PublishedPort}}"));
    expect(port).toBeGreaterThanOrEqual(30_000);
    expect(port).toBeLessThanOrEqual(32_767);
    for (const host of HOSTS) {
      await eventually(5_000, `host ${host} answers`, async () => (await status(host, port)) === "200");
    }
    await swarm.docker("1", "service", "rm", "dynamic");
    for (const host of HOSTS) {
      await eventually(5_000, `host ${host} is closed`, async () => (await status(host, port)) === "000");
    }
  });

  test("a port in host mode that is not said is the node's to choose, another one for every task", async () => {
    await swarm.service("free", "--publish", "mode=host,target=80", "--replicas", "4", "shoal/probe");
    const rows = await swarm.ps("free", "{{.Node}} {{.Ports}}");
    expect(new Set(rows).size).toBe(4);
    for (const row of rows) {
      const [, host = "", port = ""] = /-(\d) \*:(\d+)->80\/tcp$/.exec(row) ?? [];
      await eventually(5_000, `${row} answers`, async () => (await status(host, Number(port))) === "200");
    }
    await swarm.docker("1", "service", "rm", "free");
  });

  test("a port in host mode is open where a task is, and for one task a host", async () => {
    const publish = "mode=host,target=80,published=8090";
    await swarm.service("hostly", "--publish", publish, "--replicas", "2", "shoal/probe");
    const tasks = await swarm.containers("hostly");
    const homes = tasks.map((task) => task.host);
    expect(new Set(homes).size).toBe(2);
    for (const host of HOSTS) expect(await status(host, 8090)).toBe(homes.includes(host) ? "200" : "000");
    const shown = await swarm.docker(
      homes[0] ?? "",
      "ps",
      "--filter",
      "name=hostly",
      "--format",
      "{{.Ports}}",
    );
    expect(shown).toContain("8090->80/tcp");
    await swarm.docker("1", "service", "scale", "-d", "hostly=4");
    await eventually(10_000, "the fourth says that there is no room", async () =>
      (await swarm.ps("hostly", "{{.CurrentState}}|{{.Error}}")).some((row) =>
        /^Pending .*no suitable node \(host-mode port already in use on 3 nodes\)/.test(row),
      ),
    );
  });
});

/** A service of a shell script in busybox. */
const shell = (name: string, script: string, ...flags: string[]) =>
  swarm.docker("1", "service", "create", "-d", "-q", "--name", name, ...flags, "busybox", "sh", "-c", script);

describe.concurrent("ends", () => {
  test("a container that fails is started again after the delay, and its failure can be read", async () => {
    await shell("fails", "exit 3", "--restart-delay", "2s");
    const rows = await eventually(20_000, "two have failed", async () => {
      const found = await swarm.ps("fails", "{{.ID}}|{{.CurrentState}}|{{.Error}}");
      return found.filter((row) => row.includes("|Failed ")).length >= 2 && found;
    });
    const failed = rows.filter((row) => row.includes("|Failed "));
    expect(failed.map((row) => row.split("|")[2])).toEqual(failed.map(() => '"task: non-zero exit (3)"'));
    const ends = await Promise.all(
      failed.map(async (row) =>
        Date.parse(await inspect(row.split("|")[0] ?? "", "{{json .Status.Timestamp}}").then(JSON.parse)),
      ),
    );
    const [last = 0, before = 0] = ends.sort((x, y) => y - x);
    expect(last - before).toBeGreaterThanOrEqual(2_000);
    expect(last - before).toBeLessThan(6_000);
    const [, , exit] = (
      await inspect(
        failed[0]?.split("|")[0] ?? "",
        "{{.Status.State}}|{{.Status.Err}}|{{.Status.ContainerStatus.ExitCode}}",
      )
    ).split("|");
    expect(exit).toBe("3");
  });

  test("restarts end with --restart-max-attempts, or with --restart-condition none", async () => {
    await Promise.all([
      shell("thrice", "exit 1", "--restart-delay", "100ms", "--restart-max-attempts", "2"),
      shell("once", "exit 0", "--restart-condition", "none"),
      shell("lucky", "exit 0", "--restart-condition", "on-failure"),
    ]);
    await eventually(
      15_000,
      "three have failed",
      async () =>
        (await swarm.ps("thrice", "{{.CurrentState}}")).filter((s) => s.startsWith("Failed")).length === 3,
    );
    for (const name of ["once", "lucky"]) {
      await eventually(10_000, `${name} is complete`, async () =>
        (await swarm.ps(name, "{{.DesiredState}} {{.CurrentState}}"))[0]?.startsWith("Shutdown Complete "),
      );
      expect(await swarm.ps(name, "{{.Error}}")).toHaveLength(0);
      expect(await swarm.ps(name, "{{.ID}}")).toHaveLength(1);
    }
    expect(await swarm.ps("thrice", "{{.ID}}")).toHaveLength(3);
  });

  test("a task that traps its stop signal ends in its own way; one that ignores it is killed after the grace", async () => {
    const flags = ["--stop-grace-period", "3s"];
    const wait = "while true; do sleep 0.1; done";
    await Promise.all([
      shell("polite", `trap 'exit 7' TERM; ${wait}`, ...flags),
      shell("custom", `trap 'exit 8' USR1; trap '' TERM; ${wait}`, "--stop-signal", "SIGUSR1", ...flags),
      shell("deaf", `trap '' TERM; ${wait}`, ...flags),
    ]);
    const names = ["polite", "custom", "deaf"];
    await Promise.all(names.map((name) => swarm.replicas(name, 1)));
    await Promise.all(names.map((name) => eventually(5_000, "its trap is set", () => trapSet(name))));
    const began = performance.now();
    await Promise.all(names.map((name) => swarm.docker("1", "service", "update", "-d", "--force", name)));
    const ended = async (name: string) => {
      const id = await eventually(
        20_000,
        `${name} is shut down`,
        async () =>
          (await swarm.ps(name, "{{.ID}} {{.CurrentState}}"))
            .find((row) => / Shutdown /.test(row))
            ?.split(" ")[0],
      );
      const code = await inspect(id, "{{.Status.ContainerStatus.ExitCode}}");
      return { code, ms: performance.now() - began };
    };
    const [polite, custom, deaf] = await Promise.all(names.map(ended));
    expect([polite?.code, custom?.code, deaf?.code]).toEqual(["7", "8", "137"]);
    expect(polite?.ms).toBeLessThan(3_000);
    expect(custom?.ms).toBeLessThan(3_000);
    expect(deaf?.ms).toBeGreaterThanOrEqual(3_000);
  });
});

/** Whether a service's shell has a handler of, or ignores, a signal beyond the shell's own. */
async function trapSet(service: string): Promise<boolean> {
  const [task] = await swarm.containers(service);
  if (task === undefined) return false;
  const { stdout } = await swarm.exec(task.host, "grep", "-E", "Sig(Cgt|Ign)", `/proc/${task.pid}/status`);
  const [ignored = 0n, caught = 0n] = [...stdout.matchAll(/\t([0-9a-f]+)/g)].map((m) => BigInt(`0x${m[1]}`));
  const term = 1n << 14n; // SIGTERM is 15
  return ((ignored | caught) & term) !== 0n;
}

test("docker inspect of a task's container says what it is", async () => {
  await swarm.service(
    "shown",
    "--label",
    "of=service",
    "--container-label",
    "of=container",
    "-p",
    "8099:80",
    "shoal/probe",
  );
  const [task] = await swarm.containers("shown");
  const json = await swarm.docker(task?.host ?? "", "inspect", task?.id ?? "");
  const [it] = JSON.parse(json);
  expect(it).toMatchObject({
    Name: `/shown.1.${task?.taskId}`,
    State: { Status: "running", Running: true, Pid: task?.pid, ExitCode: 0 },
    Path: "perl",
    Args: ["/probe.pl"],
    Config: {
      Image: expect.stringMatching(/^shoal\/probe:latest/),
      Labels: {
        of: "container",
        "com.docker.swarm.service.name": "shown",
        "com.docker.swarm.task.id": task?.taskId,
        "com.docker.swarm.task.name": `shown.1.${task?.taskId}`,
      },
    },
  });
  expect(it.NetworkSettings.Networks.ingress.IPAddress).toMatch(/^10\.0\.0\.\d+$/);
});
