import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { killDaemon, startHost } from "../../src/lab/index.ts";
import { systemClock } from "../../src/sys/index.ts";
import { eventually, hostParts, TestSwarm } from "../support/swarm.ts";

/** Containers made by hand on a node that is in no swarm: `docker run` and what follows, by the stock CLI. */

let node: TestSwarm;

beforeAll(async () => {
  node = await TestSwarm.up("run", 1, { swarm: false });
});
afterAll(() => node?.[Symbol.asyncDispose]());
afterEach(async () => {
  const all = await docker("ps", "-aq");
  if (all !== "") await docker("rm", "-f", "-v", ...all.split("\n"));
});

const docker = (...args: string[]) => node.docker("1", ...args);
const show = (name: string, format: string) => docker("inspect", name, "--format", format);
const POLITE = 'trap "exit 5" TERM; while :; do sleep 0.05; done';
const WEB = "mkdir -p /www; hostname > /www/index.html; exec httpd -f -h /www";

const ask = async (from: "client" | "1", url: string) =>
  (await node.exec(from, "curl", "-s", "-m", "2", url)).stdout.trim();
const asked = (from: "client" | "1", url: string) =>
  eventually(20_000, `${url} answers`, async () => (await ask(from, url)) || undefined);

test("an image that is not here is pulled; a port of the host leads to the container, and is free when that has ended", async () => {
  await docker(
    "run",
    "-d",
    "--name",
    "web",
    "--hostname",
    "wanted",
    "-p",
    "8080:80",
    "busybox",
    "sh",
    "-c",
    WEB,
  );
  expect(await asked("client", `http://${node.ip("1")}:8080/`)).toBe("wanted");
  expect(await asked("1", "http://127.0.0.1:8080/")).toBe("wanted");
  expect(await docker("port", "web")).toBe("80/tcp -> 0.0.0.0:8080");
  const second = await node.try("1", "run", "-d", "--name", "late", "-p", "8080:80", "busybox", "sleep", "9");
  expect(second.code).not.toBe(0);
  expect(second.stderr).toMatch(/8080.*(allocated|use)/);
  await docker("stop", "-t", "0", "web");
  await docker("start", "late");
  expect(await docker("port", "late")).toBe("80/tcp -> 0.0.0.0:8080");
});

test("one port of a range of the host's is enough; a range for a range is all of them, and -P has each that is exposed", async () => {
  const one = ["run", "-d", "-p", "8000-8001:80"];
  await docker(...one, "--name", "first", "busybox", "sh", "-c", WEB);
  await docker(...one, "--name", "second", "--hostname", "two", "busybox", "sh", "-c", WEB);
  expect(await docker("port", "first")).toBe("80/tcp -> 0.0.0.0:8000");
  expect(await docker("port", "second")).toBe("80/tcp -> 0.0.0.0:8001");
  expect(await asked("client", `http://${node.ip("1")}:8001/`)).toBe("two");
  expect(await show("second", "{{json .HostConfig.PortBindings}}")).toContain('"HostPort":"8000-8001"');
  const third = await node.try("1", ...one, "--name", "third", "busybox", "sleep", "9");
  expect(third.stderr).toContain("Bind for 0.0.0.0:8000-8001 failed: all ports are allocated");
  await docker("rm", "-f", "first");
  await docker("start", "third");
  expect(await docker("port", "third")).toBe("80/tcp -> 0.0.0.0:8000");
  await docker("run", "-d", "--name", "many", "-p", "8010-8012:80-82", "busybox", "sleep", "99");
  expect((await docker("port", "many")).split("\n").sort()).toEqual(
    [80, 81, 82].map((port) => `${port}/tcp -> 0.0.0.0:${port - 80 + 8010}`),
  );
  await docker("run", "-d", "--name", "exposed", "-P", "--expose", "7000-7002", "busybox", "sleep", "99");
  const told = (await docker("port", "exposed")).split("\n").sort();
  expect(told.map((line) => line.replace(/6\d{4}$/, "N"))).toEqual(
    [7000, 7001, 7002].map((port) => `${port}/tcp -> 0.0.0.0:N`),
  );
  expect(new Set(told.map((line) => line.slice(-5))).size).toBe(3);
});

test("a container that shares another's network answers at that one's port, and is found by its name", async () => {
  await docker("network", "create", "shared");
  try {
    await docker(
      "run",
      "-d",
      "--name",
      "door",
      "--network",
      "shared",
      "-p",
      "8020:80",
      "busybox",
      "sleep",
      "999",
    );
    await docker("run", "-d", "--name", "web", "--network", "container:door", "busybox", "sh", "-c", WEB);
    const name = (await show("door", "{{.Id}}")).slice(0, 12);
    expect(await asked("client", `http://${node.ip("1")}:8020/`)).toBe(name);
    const look = "until wget -q -O - http://door/; do sleep 0.1; done; nslookup door | grep -c Name";
    expect(await docker("run", "--rm", "--network", "container:web", "busybox", "sh", "-c", look)).toMatch(
      new RegExp(`^${name}\n[1-9]`),
    );
    await docker("restart", "-t", "0", "door");
    await docker("restart", "-t", "0", "web");
    expect(await asked("client", `http://${node.ip("1")}:8020/`)).toBe(name);
    const refused = await node.try("1", "network", "connect", "bridge", "web");
    expect(refused.stderr).toContain("container sharing network namespace with another container or host");
  } finally {
    await docker("rm", "-f", "door", "web");
    await docker("network", "rm", "shared");
  }
});

test("on a network of the node containers find each other by name", async () => {
  await docker("network", "create", "friends");
  try {
    await docker(
      "run",
      "-d",
      "--name",
      "server",
      "--network",
      "friends",
      "--network-alias",
      "www",
      "busybox",
      "sh",
      "-c",
      WEB,
    );
    const look = "for n in server www; do until wget -q -O - http://$n/; do sleep 0.1; done; done";
    await docker("run", "-d", "--name", "looker", "--network", "friends", "busybox", "sh", "-c", look);
    expect(await docker("wait", "looker")).toBe("0");
    const name = (await docker("inspect", "server", "--format", "{{.Id}}")).slice(0, 12);
    expect((await docker("logs", "looker")).split("\n")).toEqual([name, name]);
  } finally {
    await docker("rm", "-f", "server", "looker");
    await docker("network", "rm", "friends");
  }
});

test("a restart rule starts it anew until it is stopped by hand; --rm takes it away", async () => {
  await docker("run", "-d", "--name", "again", "--restart", "on-failure:2", "busybox", "sh", "-c", "exit 3");
  await eventually(
    20_000,
    "its last end",
    async () =>
      (await show("again", "{{.State.Status}} {{.RestartCount}} {{.State.ExitCode}}")) === "exited 2 3",
  );
  await docker("run", "-d", "--name", "always", "--restart", "always", "busybox", "sh", "-c", POLITE);
  process.kill(Number(await show("always", "{{.State.Pid}}")), "SIGKILL");
  await eventually(
    20_000,
    "it was started anew",
    async () => (await show("always", "{{.RestartCount}}")) === "1",
  );
  await docker("stop", "always");
  expect(await show("always", "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 5");
  await docker("run", "-d", "--rm", "--name", "gone", "busybox", "true");
  await eventually(20_000, "it went", async () => (await node.try("1", "inspect", "gone")).code !== 0);
});

test("shoald killed and started: what runs runs on, with its port; what shall always run is started", async () => {
  await docker("run", "-d", "--name", "web", "-p", "8081:80", "busybox", "sh", "-c", WEB);
  await docker("run", "-d", "--name", "ever", "--restart", "always", "busybox", "sh", "-c", POLITE);
  const before = await show("web", "{{.State.Pid}} {{.NetworkSettings.Networks.bridge.IPAddress}}");
  const pid = await show("ever", "{{.State.Pid}}");
  await killDaemon(node.lab, "1", systemClock);
  process.kill(Number(pid), "SIGKILL");
  expect(await ask("client", `http://${node.ip("1")}:8081/`)).not.toBe("");
  await startHost(node.lab, "1", hostParts);
  expect(await show("web", "{{.State.Pid}} {{.NetworkSettings.Networks.bridge.IPAddress}}")).toBe(before);
  expect(await ask("client", `http://${node.ip("1")}:8081/`)).not.toBe("");
  await eventually(20_000, "the other runs again", async () => {
    const [status, now] = (await show("ever", "{{.State.Status}} {{.State.Pid}}")).split(" ");
    return status === "running" && now !== pid;
  });
});

test("files go with it or stay: anonymous volumes, named ones, binds, tmpfs", async () => {
  const script = "echo kept > /named/f; echo own > /own/f; cat /bound/hostname; df /quick | tail -1";
  const flags = ["-v", "named:/named", "-v", "/own", "-v", "/etc:/bound:ro", "--tmpfs", "/quick:size=1m"];
  await docker("run", "-d", "--name", "files", ...flags, "busybox", "sh", "-c", script);
  expect(await docker("wait", "files")).toBe("0");
  expect(await docker("logs", "files")).toMatch(/tmpfs +1024 /);
  const own = await show("files", '{{range .Mounts}}{{if eq .Destination "/own"}}{{.Name}}{{end}}{{end}}');
  await docker("rm", "files");
  expect(await docker("volume", "ls", "-q")).toContain(own);
  await docker("run", "-d", "--name", "reader", "-v", "named:/n:ro", "busybox", "cat", "/n/f");
  await docker("wait", "reader");
  expect(await docker("logs", "reader")).toBe("kept");
  await docker("rm", "-v", "reader");
  await docker("volume", "rm", own, "named");
});

test("a container is let into its machine as far as it is asked for, and inspect says so", async () => {
  const flags = [
    "--privileged",
    "--pid",
    "host",
    "--shm-size",
    "2m",
    "--cpu-shares",
    "512",
    "--cpuset-cpus",
    "0",
  ];
  const script =
    "df -k /dev/shm | tail -1; ls /proc | grep -c '^[0-9]'; mount -t tmpfs none /mnt && echo mounted";
  await docker("run", "-d", "--name", "deep", ...flags, "busybox", "sh", "-c", `mkdir -p /mnt; ${script}`);
  expect(await docker("wait", "deep")).toBe("0");
  const [shm = "", processes, mounted] = (await docker("logs", "deep")).split("\n");
  expect(shm).toMatch(/\b2048\b/);
  expect(Number(processes)).toBeGreaterThan(10);
  expect(mounted).toBe("mounted");
  const words = "Privileged PidMode ShmSize CpuShares CpusetCpus".split(" ");
  expect(await show("deep", words.map((word) => `{{.HostConfig.${word}}}`).join(" "))).toBe(
    "true host 2097152 512 0",
  );
  const device = ["--device", "/dev/loop-control:/dev/looper:r", "--add-host", "up:host-gateway"];
  const look = "ls /dev/looper; (: > /dev/looper) 2>&1; grep -w up /etc/hosts";
  await docker("run", "-d", "--name", "device", ...device, "busybox", "sh", "-c", look);
  await docker("wait", "device");
  expect(await docker("logs", "device")).toMatch(/^\/dev\/looper\n.*not permitted\n[\d.]+\s+up$/);
  const refused = await node.try("1", "run", "-d", "--link", "deep", "busybox", "true");
  expect(refused.stderr).toContain("cannot use --link: networks give names");
});

test("limits and the restart rule are changed while it runs; events tell what was done", async () => {
  const since = String(Math.floor(Date.now() / 1000) - 1);
  await docker("run", "-d", "--name", "small", "-m", "32m", "busybox", "sh", "-c", POLITE);
  await docker(
    "update",
    "-m",
    "64m",
    "--memory-swap",
    "128m",
    "--pids-limit",
    "40",
    "--restart",
    "always",
    "small",
  );
  expect(
    await show(
      "small",
      "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}}",
    ),
  ).toBe("67108864 40 always");
  const refused = await node.try("1", "update", "-m", "256m", "small");
  expect(refused.stderr).toContain("Memory limit should be smaller than already set memoryswap limit");
  await docker("rename", "small", "tiny");
  await docker("restart", "tiny");
  await docker("stop", "tiny");
  const format = "{{.Action}} {{.Actor.Attributes.signal}} {{.Actor.Attributes.oldName}}";
  const until = String(Math.ceil(Date.now() / 1000) + 1);
  const filter = ["--filter", "type=container", "--filter", "container=tiny"];
  const told = await docker("events", "--since", since, "--until", until, ...filter, "--format", format);
  const lines = told.split("\n").map((line) => line.replaceAll("<no value>", "").trim());
  const stop = ["kill 15", "die", "stop"];
  expect(lines.slice(lines.indexOf("rename  /small"))).toEqual([
    ...["rename  /small", ...stop, "start", "restart"],
    ...stop,
  ]);
});
