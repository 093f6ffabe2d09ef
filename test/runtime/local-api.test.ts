import { execFile, execFileSync, spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { INFO } from "../../src/api/backends.fake.ts";
import { ApiServer, type Backends } from "../../src/api/index.ts";
import { FakeLocalNetworks } from "../../src/api/local-networks.fake.ts";
import { containerBackend, tellContainerEvents } from "../../src/daemon/container-backend.ts";
import { ContainerPlaces } from "../../src/daemon/container-places.ts";
import { usageOf } from "../../src/daemon/container-usage.ts";
import { EventHub } from "../../src/daemon/event-hub.ts";
import { imageBackend } from "../../src/daemon/image-backend.ts";
import { programHomes } from "../../src/daemon/program-homes.ts";
import { volumeBackend } from "../../src/daemon/volume-backend.ts";
import { Engine, Programs, RunFolder } from "../../src/engine/index.ts";
import { FakeContainerNetworks } from "../../src/engine/networks.fake.ts";
import { Fault, silentLog } from "../../src/lib/index.ts";
import { RegistryClient } from "../../src/registry/index.ts";
import { SystemMounter } from "../../src/runtime/volume-mounter.ts";
import { LocalVolumes } from "../../src/runtime/volumes.ts";
import { systemClock as clock, systemRandom as random } from "../../src/sys/index.ts";
import { startContainerd, type TestContainerd } from "../support/containerd.ts";
import { startDockerRegistry, type TestRegistry } from "../support/docker-registry.ts";
import { busyboxFiles, makeImage, pushImage, tarOf } from "../support/image-maker.ts";
import { openNode, type TestNode } from "../support/test-containers.ts";
import { until } from "../support/until.ts";

/** The stock CLI on a node's own objects, all of them real: containerd, a registry, volumes on disk. */

/** `user:pass:word`, as htpasswd -B writes it. */
const USERS = "user:$2b$04$jQAavUoRKZUZbrIWoQXGHe/7YqK1uc6wS.x99wbFNWp8yRGLGTblW\n";

let containerd: TestContainerd;
let registry: TestRegistry;
let node: TestNode;
let server: ApiServer;
let client: RegistryClient;
let untell: () => void;
let endEngine: () => Promise<void>;

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** One command of the CLI; its standard input is `input`. */
function docker(args: readonly string[], input?: Uint8Array): Promise<Said> {
  const env = {
    ...process.env,
    DOCKER_HOST: `unix://${node.dir}/api.sock`,
    DOCKER_CONFIG: node.dir,
    TZ: "UTC",
  };
  return new Promise((resolve, reject) => {
    const child = spawn("docker", args, { env });
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk) => (out += String(chunk)));
    child.stderr.on("data", (chunk) => (err += String(chunk)));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 128, out: out.trimEnd(), err: err.trimEnd() }));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

async function says(...args: string[]): Promise<string> {
  const { code, out, err } = await docker(args);
  expect([args, code, err]).toEqual([args, 0, ""]);
  return out;
}

async function refuses(...args: string[]): Promise<string> {
  const { code, err } = await docker(args);
  expect(code).not.toBe(0);
  return err;
}

beforeAll(async () => {
  [containerd, registry] = await Promise.all([startContainerd(), startDockerRegistry()]);
  node = await openNode(containerd, registry, (dir) =>
    LocalVolumes.open({ dir, clock, random, log: silentLog, mounter: new SystemMounter("/dev/shm", clock) }),
  );
  const events = new EventHub(clock);
  const { images, volumes } = node;
  const containers = node.containers();
  client = new RegistryClient({ log: silentLog, clock });
  untell = tellContainerEvents(containers, events);
  const engine = new Engine({
    ...{ containers, images, clock, random, log: silentLog },
    networks: new FakeContainerNetworks(),
    saved: new RunFolder(`${node.dir}/engine`, silentLog),
    host: { name: "host", gateway: "172.18.0.1", dns: { nameservers: [], search: [] } },
  });
  await engine.adopt();
  const stopEngine = new AbortController();
  const running = engine.run(stopEngine.signal);
  endEngine = async () => {
    stopEngine.abort();
    await running;
  };
  const nothing = async () => {
    throw new Fault("unsupported", "this test has no swarm");
  };
  const outside = {
    nodeId: "",
    nodeAddress: "",
    state: "inactive",
    isManager: false,
    error: "",
    managers: [],
  } as const;
  const places = new ContainerPlaces(containers, () => undefined);
  const backends: Backends = {
    system: { startedAt: clock.now(), info: async () => INFO },
    swarm: { init: nothing, join: nothing, leave: nothing, state: () => outside },
    manager: () => {
      throw new Fault("unavailable", "This node is not a swarm manager.");
    },
    networks: new FakeLocalNetworks(),
    containers: containerBackend({
      pidsOf: (id) => containers.pids(id),
      usageOf: (state) => usageOf(state, clock.now()),
      containers,
      engine,
      programs: new Programs({ homes: programHomes(containers, places), clock, random }),
      places,
      facts: () => undefined,
    }),
    images: imageBackend({ images, containers, registry: client, events }),
    volumes: volumeBackend({ volumes, containers, events }),
    events,
    trace: { explain: nothing },
  };
  server = new ApiServer({ backends, clock, log: silentLog, version: "0.1.0" });
  await server.listen(`unix://${node.dir}/api.sock`);
});

afterAll(async () => {
  await server?.close();
  untell?.();
  await endEngine?.();
  await client?.close();
  await node?.end();
  await Promise.all([containerd?.stop(), registry?.stop()]);
});

test("images: pulled, listed, told of, tagged, removed", async () => {
  const image = await makeImage([
    [{ name: "a", content: "x".repeat(100_000) }],
    [{ name: "b", content: "b" }],
  ]);
  await pushImage(registry.url, "team/app", "1", [image]);
  const name = `${registry.host}/team/app:1`;
  const pulled = await says("pull", name);
  expect(pulled.split("\n")[0]).toBe("1: Pulling from team/app");
  expect(pulled).toContain(
    `Digest: ${image.manifest.digest}\nStatus: Downloaded newer image for ${name}\n${name}`,
  );
  expect(await says("pull", name)).toContain(`Status: Image is up to date for ${name}`);
  expect(await says("images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")).toBe(
    `${name} ${image.config.digest.slice(7, 19)}`,
  );
  expect(await says("image", "inspect", name, "--format", "{{.Id}} {{.Created}} {{.RepoDigests}}")).toBe(
    `${image.config.digest} 2026-01-02T03:04:05Z [${registry.host}/team/app@${image.manifest.digest}]`,
  );
  const history = (await says("history", name, "--format", "{{.ID}} {{.CreatedBy}} {{.Size}}")).split("\n");
  expect(history[0]).toMatch(new RegExp(`^${image.config.digest.slice(7, 19)} layer 1 [\\d.]+kB$`));
  expect(history[1]).toMatch(/^<missing> layer 0 1\d\dkB$/);
  await says("tag", name, "mine:2");
  expect(await says("rmi", "mine:2")).toBe("Untagged: mine:2");
  expect(await says("rmi", name)).toMatch(/^Untagged: .*[\s\S]*Deleted: sha256:/);
  expect(await says("images", "-q")).toBe("");
});

test("images that are not to be had are refused in Docker's words", async () => {
  expect(await refuses("pull", `${registry.host}/no/such:1`)).toMatch(
    /^Error response from daemon: .*(not found|manifest unknown|pull access denied)/,
  );
  expect(await refuses("pull", "127.0.0.1:1/x:1")).toMatch(/^Error response from daemon: .*connect/i);
  // The CLIs have words of their own for what is not there; 20.10's leave the tag out.
  expect(await refuses("rmi", "nowhere")).toContain("No such image: nowhere");
});

test("an archive is loaded from standard input", async () => {
  const archive = readFileSync(await archiveOf("loaded:1", "loaded"));
  expect(await docker(["load", "-q"], archive)).toEqual({ code: 0, out: "Loaded image: loaded:1", err: "" });
  expect((await docker(["load", "-q"], Buffer.from("no archive"))).code).toBe(1);
  writeFileSync(`${node.dir}/big.tar`, Buffer.alloc(30 << 20, "x"));
  expect(await refuses("load", "-q", "-i", `${node.dir}/big.tar`)).toMatch(/./);
  await says("rmi", "loaded:1");
});

test("images: pushed after a login, saved and loaded again, pruned, and counted", async () => {
  const own = await startDockerRegistry({ htpasswd: USERS });
  try {
    await says("load", "-q", "-i", await archiveOf("kept:1", "kept"));
    await says("tag", "kept:1", `${own.host}/team/kept:1`);
    expect(await refuses("push", `${own.host}/team/kept:1`)).toContain("no basic auth credentials");
    const login = ["login", "-u", "user", "--password-stdin", own.host];
    expect((await docker(login, Buffer.from("wrong"))).err).toContain("401");
    expect((await docker(login, Buffer.from("pass:word"))).out).toContain("Login Succeeded");
    const pushed = await says("push", `${own.host}/team/kept:1`);
    expect(pushed).toMatch(/^The push refers to repository \[127.0.0.1:\d+\/team\/kept\]/);
    expect(pushed).toMatch(/\n[0-9a-f]{12}: Pushed\n1: digest: sha256:[0-9a-f]{64} size: \d+$/);
    expect(await says("push", `${own.host}/team/kept:1`)).toContain(": Layer already exists");
    await says("save", "-o", `${node.dir}/kept.tar`, "kept:1");
    const id = await says("image", "inspect", "kept:1", "--format", "{{.Id}}");
    await says("rmi", "kept:1", `${own.host}/team/kept:1`);
    expect(await says("load", "-i", `${node.dir}/kept.tar`)).toBe("Loaded image: kept:1");
    await says("pull", "-q", `${own.host}/team/kept:1`);
    expect(await says("image", "inspect", "kept:1", `${own.host}/team/kept:1`, "--format", "{{.Id}}")).toBe(
      `${id}\n${id}`,
    );
    expect(await refuses("save", "-o", `${node.dir}/none.tar`, "nowhere")).toContain(
      "No such image: nowhere",
    );
  } finally {
    await own.stop();
  }
});

test("unused images and volumes are pruned, and what is here is counted", async () => {
  await says("load", "-q", "-i", await archiveOf("moved:1", "stale"));
  await says("load", "-q", "-i", await archiveOf("moved:1", "fresh"));
  const rows = (await says("system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Active}}")).split("\n");
  expect(rows[0]).toMatch(/^Images \d+ 0$/);
  expect(await says("image", "prune", "-f")).toMatch(/deleted: sha256:[\s\S]*Total reclaimed space: [1-9]/);
  expect(await says("images", "--format", "{{.Repository}}:{{.Tag}}", "moved")).toBe("moved:1");
  expect(await says("image", "prune", "-af", "--filter", "label=no")).toBe("Total reclaimed space: 0B");
  expect(await says("image", "prune", "-af")).toContain("untagged: moved:1");
  expect(await says("images", "-q")).toBe("");
  await says("volume", "create", "--label", "keep", "named");
  const anonymous = await says("volume", "create");
  writeFileSync(
    `${await says("volume", "inspect", anonymous, "--format", "{{.Mountpoint}}")}/x`,
    "x".repeat(5_000),
  );
  expect(await says("system", "df", "-v")).toMatch(new RegExp(`${anonymous} +0 +5kB`));
  expect(await says("volume", "prune", "-f", "--filter", "label!=keep")).toBe(
    `Deleted Volumes:\n${anonymous}\n\nTotal reclaimed space: 5kB`,
  );
  expect(await says("volume", "ls", "-q")).toBe("named");
  await says("volume", "rm", "named");
});

/** A file as `docker save` of old wrote it. */
async function archiveOf(tag: string, content: string): Promise<string> {
  const image = await makeImage([[{ name: "a", content: content.repeat(1_000) }]]);
  const manifest = [{ Config: "config.json", RepoTags: [tag], Layers: ["layer.tar"] }];
  const archive = await tarOf([
    { name: "layer.tar", content: image.tars[0] ?? "" },
    { name: "config.json", content: image.config.bytes },
    { name: "manifest.json", content: JSON.stringify(manifest) },
  ]);
  const path = `${node.dir}/${content}.tar`;
  writeFileSync(path, archive);
  return path;
}

test("containers: seen running, read, followed, and seen gone", async () => {
  const image = await node.put("busybox", await makeImage([busyboxFiles()]));
  const containers = node.containers();
  const config = node.config(image, "echo hello; echo oops >&2; exec sleep 1000", {
    name: "web.1.x",
    labels: { "com.docker.swarm.task.id": "x" },
  });
  await containers.create(config);
  expect(await says("ps", "-a", "--format", "{{.Names}} {{.State}} {{.Status}}")).toBe(
    "web.1.x created Created",
  );
  await containers.start(config.id);
  expect(await says("ps", "--format", "{{.ID}} {{.Image}} {{.Status}}")).toMatch(
    new RegExp(`^${config.id.slice(0, 12)} ${image} Up (Less than a second|\\d seconds?)$`),
  );
  await until(async () => (await docker(["logs", "web.1.x"])).err === "oops");
  expect(await docker(["logs", config.id.slice(0, 8)])).toEqual({ code: 0, out: "hello", err: "oops" });
  expect(await says("inspect", "web.1.x", "--format", "{{.State.Running}} {{.Config.Image}}")).toBe(
    `true ${image}`,
  );
  expect(await refuses("rmi", image)).toMatch(/conflict: unable to (remove|delete)/);
  const following = docker(["logs", "-f", "web.1.x"]);
  await containers.stop(config.id, { graceMs: 0 });
  expect(await following).toEqual({ code: 0, out: "hello", err: "oops" });
  await until(async () => (await says("ps", "-q")) === "");
  expect(await says("ps", "-a", "--format", "{{.State}} {{.Status}}")).toMatch(
    /^exited Exited \(137\) .* ago$/,
  );
  await until(async () => {
    const events = await says(
      "events",
      "--since",
      "1m",
      "--until",
      "0s",
      "--format",
      "{{.Type}} {{.Action}}",
    );
    return /container start[\s\S]*container die/.test(events);
  });
  await containers.remove(config.id);
});

test("containers: what they use", async () => {
  const image = await node.put("busybox", await makeImage([busyboxFiles()]));
  const containers = node.containers();
  const config = node.config(image, "while :; do :; done", {
    ...{ name: "busy.1.x", resources: { memoryBytes: 64 << 20, pids: 50 } },
  });
  await containers.create(config);
  await containers.start(config.id);
  const columns = ["--format", "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}}"];
  expect(await says("stats", "--no-stream", ...columns)).toMatch(
    /^busy\.1\.x [1-9]\d*\.\d\d% [1-9][\d.]*[KM]iB \/ 64MiB [1-9]\d*$/,
  );
  await containers.stop(config.id, { graceMs: 0 });
  await until(async () => (await says("ps", "-q")) === "");
  expect(await says("stats", "--no-stream", ...columns)).toBe("");
  expect(await says("stats", "--no-stream", "--all", ...columns)).toBe("busy.1.x 0.00% 0B / 0B 0");
  expect(await refuses("stats", "--no-stream", "nowhere")).toContain("No such container: nowhere");
  await containers.remove(config.id);
});

test("containers: their health in ps, inspect and events; and no log where none is kept", async () => {
  const image = await node.put("busybox", await makeImage([busyboxFiles()]));
  const containers = node.containers();
  const health = {
    ...{
      test: ["CMD-SHELL", "echo looked; test ! -e /tmp/ill"],
      intervalMs: 200,
      timeoutMs: 5_000,
      retries: 2,
    },
    ...{ startPeriodMs: 60_000, startIntervalMs: 100 },
  };
  const config = node.config(image, "exec sleep 1000", { name: "fit.1.x", health, logDriver: "none" });
  await containers.create(config);
  expect(await says("inspect", "fit.1.x", "--format", "{{.State.Health}}")).toBe("<nil>");
  await containers.start(config.id);
  const status = () => says("ps", "--format", "{{.Status}}", "--filter", "name=fit");
  await until(async () => /^Up .* \(healthy\)$/.test(await status()));
  expect(await says("ps", "-q", "--filter", "health=healthy")).toBe(config.id.slice(0, 12));
  await containers.exec(config.id, { args: ["touch", "/tmp/ill"] }, new AbortController().signal);
  await until(async () => /^Up .* \(unhealthy\)$/.test(await status()));
  const shown = JSON.parse(await says("inspect", "fit.1.x"))[0];
  expect(shown.State.Health).toMatchObject({ Status: "unhealthy", FailingStreak: expect.any(Number) });
  expect(shown.State.Health.Log.at(-1)).toMatchObject({ ExitCode: 1, Output: "looked\n" });
  expect(shown.Config.Healthcheck).toEqual({
    Test: health.test,
    ...{ Interval: 2e8, Timeout: 5e9, StartPeriod: 6e10, StartInterval: 1e8, Retries: 2 },
  });
  expect(await refuses("logs", "fit.1.x")).toBe(
    "Error response from daemon: configured logging driver does not support reading",
  );
  let events = "";
  await until(async () => {
    events = await says("events", "--since", "1m", "--until", "0s", "--filter", "container=fit.1.x");
    return events.includes("health_status: unhealthy");
  });
  expect(events.match(/container health_status: \w+/g)).toEqual([
    "container health_status: healthy",
    "container health_status: unhealthy",
  ]);
  expect(events).not.toContain("exec_");
  const later = String(Math.ceil(Date.now() / 1_000) + 2);
  const probes = await says("events", "--until", later, "--filter", "event=exec_start");
  expect(probes).toContain(`container exec_start: /bin/sh -c ${health.test[1]} ${config.id} (`);
  await containers.remove(config.id);
});

test("containers by hand, on the host's network or on none: made, started, stopped, paused, renamed, waited for, removed", async () => {
  const image = await node.put("busybox", await makeImage([busyboxFiles()]));
  const made = await says("create", "--network", "none", "--name", "one", image, "sh", "-c", "exit 7");
  expect(made).toMatch(/^[0-9a-f]{64}$/);
  expect(await says("ps", "-a", "--format", "{{.Names}} {{.Status}} {{.Networks}}")).toBe("one Created none");
  expect(await says("start", "one")).toBe("one");
  expect(await says("wait", "one")).toBe("7");
  expect(
    await says(
      "inspect",
      "one",
      "--format",
      "{{.State.Status}} {{.State.ExitCode}} {{.HostConfig.NetworkMode}}",
    ),
  ).toBe("exited 7 none");
  const script = 'trap "exit 5" TERM; while :; do sleep 0.05; done';
  await says(
    "run",
    "-d",
    "--network",
    "host",
    "--name",
    "two",
    "--restart",
    "on-failure:2",
    image,
    "sh",
    "-c",
    script,
  );
  expect(await refuses("run", "-d", "--network", "none", "--name", "two", image, "true")).toContain(
    'Conflict. The container name "/two" is already in use by container',
  );
  await says("pause", "two");
  expect(await says("ps", "--format", "{{.Names}} {{.Status}}")).toMatch(/^two Up .* \(Paused\)$/);
  await says("unpause", "two");
  await says("rename", "two", "three");
  expect(await refuses("rm", "three")).toContain('cannot remove container "/three": container is running');
  expect(await says("stop", "three")).toBe("three");
  expect(
    await says("inspect", "three", "--format", "{{.State.ExitCode}} {{.HostConfig.RestartPolicy.Name}}"),
  ).toBe("5 on-failure");
  await says("update", "--restart", "no", "three");
  await says("start", "three");
  await says("kill", "-s", "TERM", "three");
  expect(await says("wait", "three")).toBe("5");
  expect(await refuses("kill", "three")).toContain("is not running");
  expect(await says("rm", "three")).toBe("three");
  expect(await says("container", "prune", "-f")).toContain(made);
  expect(await says("ps", "-aq")).toBe("");
  expect(await refuses("run", "-d", "--network", "nowhere", image, "true")).toContain(
    "network nowhere not found",
  );
});

test("a container shares another's network: its devices, names and loopback, for as long as the other runs", async () => {
  const image = await node.put("busybox", await makeImage([busyboxFiles()]));
  const [run, script] = [
    ["run", "-d", "--network", "none"],
    "echo of web > /w/index.html; exec httpd -f -h /w",
  ];
  await says(...run, "--name", "web", "--hostname", "first", image, "sh", "-c", `mkdir /w; ${script}`);
  const beside = ["--network", "container:web"];
  const look =
    "until wget -qO- http://127.0.0.1/; do sleep 0.05; done; hostname; cat /etc/hostname; echo out >> /etc/hosts";
  expect(await docker(["run", "--name", "side", ...beside, image, "sh", "-c", look])).toMatchObject({
    ...{ code: 0, out: "of web\nfirst\nfirst" },
  });
  expect(await says("exec", "web", "cat", "/etc/hosts")).toMatch(/\nout$/);
  const id = await says("inspect", "web", "--format", "{{.Id}}");
  expect(
    await says("inspect", "side", "--format", "{{.HostConfig.NetworkMode}} {{.NetworkSettings.Networks}}"),
  ).toBe(`container:${id} map[]`);
  const chained = await docker(["run", "--rm", "--network", "container:third", image, "true"]);
  expect(chained.err).toContain("No such container: third");
  await says("run", "-d", "--name", "third", ...beside, image, "sleep", "1000");
  const namespaces = await Promise.all(
    ["web", "third"].map(async (name) => {
      const pid = await says("inspect", name, "--format", "{{.State.Pid}}");
      return readlinkSync(`/proc/${pid}/ns/net`);
    }),
  );
  expect(namespaces[0]).toBe(namespaces[1]);
  expect(await says("run", "--rm", "--network", "container:third", image, "wget", "-qO-", "127.0.0.1")).toBe(
    "of web",
  );
  await says("rm", "-f", "third");
  expect(await refuses("run", "--rm", ...beside, "-p", "80", image, "true")).toContain(
    "conflicting options: port publishing and the container type network mode",
  );
  await says("restart", "-t", "0", "web");
  expect(await says("start", "-a", "side")).toBe("of web\nfirst\nfirst");
  await says("stop", "-t", "0", "web");
  expect(await refuses("start", "side")).toContain(
    "cannot join network namespace of a non running container: container web is exited",
  );
  await says("rm", "web");
  expect(await refuses("start", "side")).toContain(`No such container: ${id}`);
  await says("rm", "side");
});

test("streams: run in the foreground, its input, exec with exit codes and with a terminal, attach", async () => {
  const image = await node.put("busybox", await makeImage([busyboxFiles()]));
  const run = ["run", "--rm", "--network", "none"];
  expect(await docker([...run, image, "sh", "-c", "echo out; echo err >&2; exit 3"])).toEqual({
    ...{ code: 3, out: "out", err: "err" },
  });
  const words = Buffer.alloc(3 << 20, "words ");
  expect((await docker([...run, "-i", image, "cat"], words)).out).toBe(words.toString().trimEnd());
  await says("run", "-d", "-i", "--network", "none", "--name", "stays", image, "cat");
  expect(await docker(["exec", "stays", "sh", "-c", "echo in; exit 4"])).toEqual({
    code: 4,
    out: "in",
    err: "",
  });
  expect(
    (await docker(["exec", "-i", "-e", "A=b", "stays", "sh", "-c", "cat; echo $A"], Buffer.from("x"))).out,
  ).toBe("xb");
  const capabilities = async (which: string, ...flags: string[]) =>
    new RegExp(`${which}:\\s*(\\w+)`).exec(
      await says("exec", ...flags, "stays", "cat", "/proc/self/status"),
    )?.[1];
  const all = /CapBnd:\s*(\w+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  expect(await capabilities("CapEff", "--privileged")).toBe(all);
  expect(await capabilities("CapBnd", "--privileged", "-u", "65534:65534")).toBe(all);
  expect(await capabilities("CapEff")).toMatch(/^0+a80425fb$/);
  const nothing = await docker(["exec", "stays", "nosuch"]);
  expect([nothing.code, nothing.out]).toEqual([
    127,
    expect.stringContaining("executable file not found in $PATH"),
  ]);
  // script(1) gives the CLI the terminal that it insists on.
  const line = `docker exec -it stays sh -c 'test -t 0 && test -t 1 && echo "a terminal, $TERM"'`;
  const typed = await new Promise<string>((resolve) => {
    const env = { ...process.env, DOCKER_HOST: `unix://${node.dir}/api.sock`, DOCKER_CONFIG: node.dir };
    execFile("script", ["-qec", line, "/dev/null"], { env }, (_, stdout) => resolve(stdout));
  });
  expect(typed).toContain("a terminal, xterm");
  expect(await says("top", "stays", "-eo", "pid,comm")).toMatch(/^PID +COMMAND\n\d+ +cat$/);
  expect(await refuses("top", "stays", "-o", "ppid=PID")).toContain('specifying "ppid=PID" is not allowed');
  const attached = docker(["attach", "--no-stdin", "stays"]);
  await says("exec", "stays", "sh", "-c", ":");
  await says("kill", "stays");
  expect((await attached).code).toBe(137);
  expect(await refuses("top", "stays")).toMatch(/container [0-9a-f]{64} is not running/);
  await says("rm", "stays");
});

test("files: copied in and out, as people and programs do it, listed and exported; and refused in Docker's words", async () => {
  const image = await node.put("busybox", await makeImage([busyboxFiles()]));
  const box = ["run", "-d", "--network", "none", "--name", "box", "-v", "boxed:/vol", image];
  await says(...box, "sh", "-c", "busybox mkdir /data; busybox ln -s /data /alias; exec sleep 1000");
  await until(async () => (await docker(["exec", "box", "ls", "/alias"])).code === 0);
  const here = mkdtempSync(`${node.dir}/cp-`);
  mkdirSync(`${here}/tree/sub`, { recursive: true });
  writeFileSync(`${here}/tree/sub/file`, "words", { mode: 0o640 });
  symlinkSync("sub/file", `${here}/tree/link`);
  const cp = (...args: string[]) => says("cp", ...args);
  const inBox = (...args: string[]) => says("exec", "box", ...args);
  for (const life of ["running", "stopped"]) {
    await cp(`${here}/tree`, `box:/data/${life}`);
    await cp(`${here}/tree/sub/file`, `box:/alias/${life}/renamed`);
    await cp("-a", `${here}/tree/.`, `box:/vol/${life}`);
    await cp(`box:/data/${life}/.`, `${here}/out-${life}`);
    expect(readFileSync(`${here}/out-${life}/sub/file`, "utf8")).toBe("words");
    expect(readFileSync(`${here}/out-${life}/renamed`, "utf8")).toBe("words");
    expect(readlinkSync(`${here}/out-${life}/link`)).toBe("sub/file");
    await cp("-L", `box:/vol/${life}/link`, `${here}/followed-${life}`);
    expect(readFileSync(`${here}/followed-${life}`, "utf8")).toBe("words");
    await cp(`box:/vol/${life}/link`, `${here}/kept-${life}`);
    expect(readlinkSync(`${here}/kept-${life}`)).toBe("sub/file");
    const sent = await tarOf([{ name: "by/stdin", content: "piped" }]);
    expect(await docker(["cp", "-", "box:/data"], sent)).toEqual({ code: 0, out: "", err: "" });
    expect(await says("cp", "box:/data/by/stdin", "-")).toContain("piped");
    // 20.10 says what is not there in its own words.
    expect(await refuses("cp", "box:/no/where", here)).toMatch(
      /Could not find the file \/no\/where in container box|No such container:path: box:\/no\/where/,
    );
    expect(await refuses("cp", `${here}/tree`, "box:/data/by/stdin")).toMatch(/cannot copy a? ?directory/i);
    expect(await refuses("cp", `${here}/tree/link`, "box:/no/where/x")).toMatch(
      /Could not find the file \/no\/where in container box|No such container:path: box:\/no\/where/,
    );
    expect(await refuses("cp", "-", "box:/data/by/stdin")).toMatch(/not a directory|must be a directory/);
    if (life === "running") {
      expect(await inBox("cat", "/vol/running/sub/file", "/data/running/renamed")).toBe("wordswords");
      expect(await inBox("busybox", "stat", "-c", "%a %u", "/data/running/sub/file")).toBe("640 0");
      await says("kill", "box");
    }
  }
  const lines = (await says("diff", "box")).split("\n");
  expect(lines).toEqual(expect.arrayContaining(["A /alias", "A /data", "A /data/running/renamed"]));
  expect(lines.filter((line) => /hosts|resolv|proc|\/dev/.test(line))).toEqual([]);
  await says("export", "-o", `${here}/all.tar`, "box");
  const names = execFileSync("tar", ["tf", `${here}/all.tar`], { encoding: "utf8" }).split("\n");
  expect(names).toEqual(expect.arrayContaining(["bin/busybox", "alias", "data/stopped/sub/file", "vol/"]));
  expect(names).not.toContain("vol/stopped/");
  // The CLI asks for what happened until this second began.
  await until(async () => {
    const events = await says("events", "--since", "5m", "--until", "0s", "--filter", "container=box");
    return ["archive-path", "extract-to-dir", "export"].every((one) => events.includes(`container ${one} `));
  });
  await says("rm", "-v", "box");
  await says("volume", "rm", "boxed");
}, 240_000);

test("a hundred programs at a time, and nothing is left of them", async () => {
  const image = await node.put("busybox", await makeImage([busyboxFiles()]));
  const id = await says("run", "-d", "--network", "none", image, "sleep", "1000");
  const left = (): [number, string[]] => [
    readdirSync("/proc/self/fd").length,
    readdirSync(`${node.dir}/run/${id}`).filter((name) => name.startsWith("exec")),
  ];
  await says("exec", id, "sh", "-c", ":");
  const [descriptors] = left();
  const said = await Promise.all(
    Array.from({ length: 100 }, (_, i) => docker(["exec", id, "sh", "-c", `echo ${i}; exit ${i}`])),
  );
  expect(said.map(({ code, out }) => [code, out])).toEqual(said.map((_, i) => [i, String(i)]));
  await until(() => left()[0] <= descriptors && left()[1].length === 0);
  await says("rm", "-f", id);
}, 120_000);

test("volumes are real folders", async () => {
  await says("volume", "create", "--label", "a=b", "data");
  const path = await says("volume", "inspect", "data", "--format", "{{.Mountpoint}}");
  writeFileSync(`${path}/file`, "kept");
  expect(await says("volume", "ls", "--format", "{{.Name}} {{.Labels}}")).toBe("data a=b");
  expect(await refuses("volume", "create", "-d", "nfs", "x")).toMatch(/^Error response from daemon: /);
  expect(await says("volume", "rm", "data")).toBe("data");
  expect(await refuses("volume", "inspect", "data")).toMatch(/no such volume/i);
});
