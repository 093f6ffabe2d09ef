import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, TestSwarm } from "../support/swarm.ts";

/** What a service's flags do inside its containers, as the programs there see it. */

let swarm: TestSwarm;

beforeAll(async () => {
  swarm = await TestSwarm.up("inside", 1);
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
});

/** What a shell script in busybox printed, with these flags of service create; it stays until the lab goes. */
async function printed(name: string, script: string, ...flags: string[]): Promise<string[]> {
  const run = ["busybox", "sh", "-c", `${script}; echo THE END; exec sleep 1000`];
  await swarm.docker("1", "service", "create", "-d", "-q", "--name", name, ...flags, ...run);
  const text = await eventually(20_000, `${name} has printed all`, async () => {
    const logs = await swarm.docker("1", "service", "logs", "--raw", name);
    return logs.includes("THE END") && logs;
  });
  return text.split("\n").slice(0, -1);
}

test("hostname, environment, working folder and user", async () => {
  const script =
    'hostname; echo "$COLOR $SHAPE $PATH"; pwd; id -u; id -g; id -G; cat /etc/hostname; cat /etc/hosts';
  const lines = await printed(
    "words",
    script,
    "--hostname=wordy",
    "--env=COLOR=dark red",
    "--env=SHAPE",
    "--workdir=/made/for/it",
    "--user=1234:5678",
    "--group=99",
  );
  expect(lines.slice(0, 7)).toEqual([
    "wordy",
    expect.stringMatching(/^dark red .*\/bin/),
    "/made/for/it",
    "1234",
    "5678",
    expect.stringMatching(/\b99\b/),
    "wordy",
  ]);
  expect(lines.slice(7).join("\n")).toMatch(/^127\.0\.0\.1\s+localhost$/m);
});

test("hosts and DNS settings", async () => {
  const lines = await printed(
    "names",
    "cat /etc/hosts /etc/resolv.conf; ping -c1 localhost | head -1",
    "--host=friend:192.0.2.7",
    "--host=other:2001:db8::7",
    "--dns=192.0.2.53",
    "--dns-search=example.test",
    "--dns-option=timeout:3",
  );
  const text = lines.join("\n");
  expect(text).toMatch(/^192\.0\.2\.7\s+friend$/m);
  expect(text).toMatch(/^2001:db8::7\s+other$/m);
  expect(text).toMatch(/^search example\.test$/m);
  expect(text).toMatch(/^options .*timeout:3/m);
  expect(text).toMatch(/^PING localhost \(127\.0\.0\.1\)/m);
});

test("a read-only root, with a tmpfs and a volume to write to", async () => {
  const lines = await printed(
    "stone",
    "for at in / /tmp /soft /keep; do touch $at/x 2>/dev/null && echo $at yes || echo $at no; done; grep ' /soft ' /proc/mounts",
    "--read-only",
    "--mount=type=tmpfs,target=/soft,tmpfs-size=65536,tmpfs-mode=1770",
    "--mount=type=volume,source=kept,target=/keep",
  );
  expect(lines.slice(0, 4)).toEqual(["/ no", "/tmp no", "/soft yes", "/keep yes"]);
  expect(lines[4]).toMatch(/^tmpfs \/soft tmpfs .*size=64k.*mode=1770/);
});

test("a bind mount shows the host's folder, read-only when it shall be", async () => {
  const folder = swarm.hostPaths("1").data;
  const lines = await printed(
    "bound",
    "ls /there/shoald.json; touch /there/x 2>&1",
    `--mount=type=bind,source=${folder},target=/there,readonly`,
  );
  expect(lines).toEqual(["/there/shoald.json", expect.stringMatching(/Read-only file system/)]);
  expect(existsSync(join(folder, "x"))).toBe(false);
});

test("command and arguments take the place of the image's", async () => {
  await swarm.docker(
    "1",
    "service",
    "create",
    "-d",
    "-q",
    "--name",
    "argued",
    "shoal/probe",
    "perl",
    "-e",
    "$|=1; print qq(@ARGV\n); sleep 1000",
    "one",
    "two words",
  );
  const made = ["shoal/probe", "-e", "$|=1; print qq(via entrypoint\n); sleep 1000"];
  await swarm.docker(
    "1",
    "service",
    "create",
    "-d",
    "-q",
    "--name",
    "entered",
    "--entrypoint",
    "perl",
    ...made,
  );
  for (const [name, words] of [
    ["argued", "one two words"],
    ["entered", "via entrypoint"],
  ]) {
    await eventually(
      20_000,
      `${name} has printed`,
      async () => (await swarm.docker("1", "service", "logs", "--raw", name ?? "")) === words,
    );
  }
});

test("limits of memory, processors and processes are the kernel's", async () => {
  await swarm.service("small", "--limit-memory=20m", "--limit-cpu=0.5", "--limit-pids=40", "shoal/probe");
  const [task] = await swarm.containers("small");
  const limits = cgroupOf(task?.pid ?? 0);
  expect(limits("memory", "memory.limit_in_bytes", "memory.max")).toBe(String(20 << 20));
  expect(limits("pids", "pids.max", "pids.max")).toBe("40");
  const quota = limits("cpu", "cpu.cfs_quota_us", "cpu.max").split(" ")[0];
  expect(quota).toBe("50000");
});

test("a task that takes more memory than it may is killed, and says so", async () => {
  const eat = "a=xxxxxxxxxxxxxxxx; while true; do a=$a$a; done";
  await swarm.docker(
    "1",
    "service",
    "create",
    "-d",
    "-q",
    "--name",
    "greedy",
    "--limit-memory=20m",
    "--restart-condition=none",
    "busybox",
    "sh",
    "-c",
    eat,
  );
  const [row] = await eventually(20_000, "it has failed", async () => {
    const rows = await swarm.ps("greedy", "{{.CurrentState}}|{{.Error}}");
    return rows[0]?.startsWith("Failed") && rows;
  });
  expect(row).toMatch(/\|"task: non-zero exit \(137\)/);
  const id = await swarm.docker("1", "ps", "-aq", "--filter", "name=greedy");
  expect(await swarm.docker("1", "inspect", "--format", "{{.State.OOMKilled}} {{.State.ExitCode}}", id)).toBe(
    "true 137",
  );
});

test("capabilities and sysctls", async () => {
  const lines = await printed(
    "capable",
    "grep CapEff /proc/self/status; cat /proc/sys/net/ipv4/ip_local_port_range",
    "--cap-drop=CAP_CHOWN",
    "--cap-add=CAP_SYS_TIME",
    "--sysctl=net.ipv4.ip_local_port_range=20000 30000",
  );
  const effective = BigInt(`0x${lines[0]?.split("\t")[1]}`);
  expect([(effective >> 0n) & 1n, (effective >> 25n) & 1n]).toEqual([0n, 1n]); // CAP_CHOWN 0, CAP_SYS_TIME 25
  expect(lines.slice(1)).toEqual(["20000\t30000"]);
});

test("a program that cannot be started says which", async () => {
  await swarm.docker(
    "1",
    "service",
    "create",
    "-d",
    "-q",
    "--name",
    "missing",
    "--restart-condition=none",
    "busybox",
    "/no/such/program",
  );
  await eventually(20_000, "it says why", async () =>
    (await swarm.ps("missing", "{{.CurrentState}}|{{.Error}}"))[0]?.match(
      /^(Rejected|Failed) .*\/no\/such\/program.*(no such file|not found)/,
    ),
  );
});

/** Reads a limit of a process's cgroup: of version 1's controller, or of version 2's file. */
function cgroupOf(pid: number): (controller: string, v1: string, v2: string) => string {
  const rows = readFileSync(`/proc/${pid}/cgroup`, "utf8")
    .split("\n")
    .map((row) => row.split(":"));
  return (controller, v1, v2) => {
    const row = rows.find(([, names]) => names?.split(",").includes(controller));
    const file =
      row === undefined
        ? `/sys/fs/cgroup${rows.at(0)?.[2]}/${v2}`
        : `/sys/fs/cgroup/${controller}${row[2]}/${v1}`;
    return readFileSync(file, "utf8").trim();
  };
}
