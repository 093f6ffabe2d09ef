import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeClock, Fault } from "../../lib/index.ts";
import { aRunning, aService } from "../../model/objects.fake.ts";
import { aContainerInfo, anImage } from "../backends.fake.ts";
import type { ContainerInfo, ManagerBackend } from "../backends.ts";
import { type Answered, ServedNode } from "../served-node.fake.ts";

const ID = "ab".repeat(32);
const filters = (value: object) => `filters=${encodeURIComponent(JSON.stringify(value))}`;
const refusal = ({ status, text }: Answered) => [status, JSON.parse(text).message];
const lines = ({ text }: Answered) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

let clock: FakeClock;
let node: ServedNode;

beforeEach(async () => {
  clock = new FakeClock();
  node = await ServedNode.start(clock);
  node.backends.containers.put(aContainerInfo({ id: ID, name: "web.1.x" }));
  node.backends.images.put(anImage());
});
afterEach(() => node[Symbol.asyncDispose]());

describe("the daemon", () => {
  test.each([
    [{ state: "inactive", isManager: false }, "inactive"],
    [{ state: "pending", isManager: false }, "pending"],
    [{ state: "active", isManager: false }, "active/worker"],
    [{ state: "active", isManager: true }, "active/manager"],
  ] as const)("pings with %j as %s", async (state, word) => {
    node.backends.swarmState = { ...node.backends.swarmState, ...state };
    for (const method of ["HEAD", "GET"]) {
      const answer = await node.ask(method, "/_ping");
      expect([answer.headers["swarm"], answer.text]).toEqual([word, method === "GET" ? "OK" : ""]);
    }
  });

  test("tells info even when the manager cannot", async () => {
    const managers = [{ nodeId: "n1", address: "10.0.0.1:2377" }];
    const state = {
      nodeId: "n1",
      nodeAddress: "10.0.0.1",
      state: "active",
      isManager: true,
      error: "",
      managers,
    } as const;
    node.backends.swarmState = state;
    expect(await node.get("/info")).toMatchObject({
      Containers: 1,
      ContainersRunning: 1,
      Images: 1,
      Warnings: ["WARNING: too cold"],
      SystemTime: "2023-11-14T22:13:20Z",
      Swarm: {
        NodeID: "n1",
        LocalNodeState: "active",
        ControlAvailable: true,
        Error: expect.stringContaining("This node is not a swarm manager"),
        RemoteManagers: [{ NodeID: "n1", Addr: "10.0.0.1:2377" }],
      },
    });
  });

  test("has no plugins, and says so as a list", async () => {
    expect(await node.ask("GET", "/plugins")).toMatchObject({ status: 200, text: "[]\n" });
  });

  test("says what it does not do yet", async () => {
    for (const [method, path] of [
      ["POST", "/build"],
      ["GET", "/images/search?term=x"],
    ] as const) {
      const upgrade = { connection: "Upgrade", upgrade: "tcp" };
      const [status, message] = refusal(await node.ask(method, path, { headers: upgrade }));
      expect([path, status, message]).toEqual([path, 501, expect.stringMatching(/ is not supported yet/)]);
    }
  });
});

describe("containers", () => {
  test("are listed and inspected in Docker's words", async () => {
    expect(await node.get(`/containers/json?${filters({ name: ["web"] })}`)).toMatchObject([
      {
        Id: ID,
        Names: ["/web.1.x"],
        Command: "redis-server --save '60 1'",
        Created: 1_700_000_000,
        Ports: [{ PrivatePort: 6379, Type: "tcp" }],
        State: "running",
        Status: "Up Less than a second",
      },
    ]);
    expect(await node.get("/containers/abab/json")).toMatchObject({
      Id: ID,
      Name: "/web.1.x",
      Path: "redis-server",
      Args: ["--save", "60 1"],
      State: { Status: "running", Running: true, Pid: 4711, StartedAt: "2023-11-14T22:13:21Z" },
      Config: { Env: ["A=1", "PATH=/bin"], Cmd: ["redis-server"], ExposedPorts: { "6379/tcp": {} } },
      NetworkSettings: { Ports: { "6379/tcp": null } },
    });
  });

  test("show ports published in host mode, in place of what the image exposes", async () => {
    const hostPorts = [
      { protocol: "tcp", published: 8090, target: 6379 },
      { protocol: "udp", published: 8091, target: 53 },
    ] as const;
    node.backends.containers.put(aContainerInfo({ id: "ef".repeat(32), name: "open", hostPorts }));
    const [row] = (await node.get(`/containers/json?${filters({ name: ["open"] })}`)) as [{ Ports: unknown }];
    expect(row.Ports).toEqual([
      { IP: "0.0.0.0", PrivatePort: 6379, PublicPort: 8090, Type: "tcp" },
      { IP: "0.0.0.0", PrivatePort: 53, PublicPort: 8091, Type: "udp" },
    ]);
    expect(await node.get("/containers/open/json")).toMatchObject({
      HostConfig: { PortBindings: { "6379/tcp": [{ HostIp: "", HostPort: "8090" }] } },
      NetworkSettings: { Ports: { "53/udp": [{ HostIp: "0.0.0.0", HostPort: "8091" }] } },
    });
  });

  test("show their health, as a word in the list and in full", async () => {
    const probe = { start: 1_700_000_002_000, end: 1_700_000_002_250, exitCode: 0, output: "fine\n" };
    const health = { status: "healthy", failingStreak: 0, log: [probe] } as const;
    const healthCheck = {
      ...{ test: ["CMD-SHELL", "true"], intervalMs: 3_000, timeoutMs: 0, startPeriodMs: 0 },
      ...{ startIntervalMs: 0, retries: 2 },
    };
    const put = (over: Partial<ContainerInfo>): void =>
      node.backends.containers.put(
        aContainerInfo({ id: "ef".repeat(32), name: "fit", healthCheck, ...over }),
      );
    const row = async (): Promise<string> => {
      const [found] = (await node.get(`/containers/json?all=1&${filters({ name: ["fit"] })}`)) as [Row];
      return found.Status.replace(/^Up .*? (?=\()/, "Up ");
    };
    interface Row {
      readonly Status: string;
    }
    put({ health });
    expect(await row()).toBe("Up (healthy)");
    expect(await node.get("/containers/fit/json")).toMatchObject({
      State: {
        Health: {
          ...{ Status: "healthy", FailingStreak: 0 },
          Log: [
            {
              Start: "2023-11-14T22:13:22Z",
              End: "2023-11-14T22:13:22.25Z",
              ...{ ExitCode: 0, Output: "fine\n" },
            },
          ],
        },
      },
      Config: { Healthcheck: { Test: ["CMD-SHELL", "true"], Interval: 3_000_000_000, Retries: 2 } },
    });
    put({ health: { ...health, status: "starting" } });
    expect(await row()).toBe("Up (health: starting)");
    put({ health: { ...health, status: "unhealthy" } });
    expect(await row()).toBe("Up (unhealthy)");
    put({});
    expect(await row()).not.toContain("health");
    expect(JSON.stringify(await node.get("/containers/fit/json"))).not.toContain('"Health":');
  });

  test("show how they are confined and limited", async () => {
    const { config } = aContainerInfo({ id: ID, name: "x" });
    const seccomp = { mode: "custom", profile: Buffer.from('{"ä":1}').toString("base64") } as const;
    const asked: ContainerInfo["config"] = {
      ...{ ...config, hostname: "me", groups: ["video"], oomScoreAdj: -5, logDriver: "none" },
      ulimits: [{ name: "nofile", soft: 1, hard: 2 }],
      hosts: [
        { address: "10.0.0.9", names: ["me"] },
        { address: "1.2.3.4", names: ["db", "db.local"] },
      ],
      resources: { memoryBytes: 100, memoryReservationBytes: 50, pids: 7 },
      privileges: { noNewPrivileges: true, appArmor: "disabled", seccomp },
    };
    node.backends.containers.put(aContainerInfo({ id: ID, name: "web.1.x", config: asked }));
    expect(await node.get("/containers/web.1.x/json")).toMatchObject({
      HostConfig: {
        ...{ GroupAdd: ["video"], OomScoreAdj: -5, Memory: 100, MemoryReservation: 50, PidsLimit: 7 },
        LogConfig: { Type: "none", Config: {} },
        Ulimits: [{ Name: "nofile", Soft: 1, Hard: 2 }],
        ExtraHosts: ["db:1.2.3.4", "db.local:1.2.3.4"],
        SecurityOpt: ['seccomp={"ä":1}', "apparmor=unconfined", "no-new-privileges=true"],
      },
    });
    expect(refusal(await node.ask("GET", `/containers/${ID}/logs?stdout=1`))).toEqual([
      501,
      "configured logging driver does not support reading",
    ]);
  });

  test("are still told when their image is gone", async () => {
    node.backends.containers.put(aContainerInfo({ id: "cd".repeat(32), name: "x", imageId: "sha256:gone" }));
    expect(await node.get("/containers/x/json")).toMatchObject({ Config: { Cmd: null, Env: ["A=1"] } });
  });

  test("named by their task's words are both; the task alone when its node does not say", async () => {
    node.backends.managing = { networks: { list: () => [] } } as unknown as ManagerBackend;
    const [told, lost] = [aRunning(aService("web"), 1, "n2"), aRunning(aService("web"), 2, "n3")];
    const { elsewhere } = node.backends.containers;
    elsewhere.set(told, { Id: "c1", State: { Running: true } });
    elsewhere.set(lost, new Fault("unavailable", "node n3 is not available"));
    expect(await node.get(`/containers/${told.id}/json`)).toMatchObject({
      ...{ Id: "c1", State: { Running: true } },
      ...{ ID: "web-1", NodeID: "n2", Status: { State: "running" } },
    });
    const { status, text } = await node.ask("GET", `/containers/${lost.id}/json`);
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ ID: "web-2", NodeID: "n3" });
    expect(JSON.parse(text).Id).toBeUndefined();
  });

  test("that are not here are 404", async () => {
    for (const path of ["/containers/nowhere/json", "/containers/nowhere/logs?stdout=1"]) {
      expect(refusal(await node.ask("GET", path))).toEqual([404, "No such container: nowhere"]);
    }
  });

  describe("logs", () => {
    beforeEach(() => {
      const say = (stream: "stdout" | "stderr", text: string, at: bigint) =>
        node.backends.containers.say(ID, { at: at * 1_000_000_000n, stream, line: Buffer.from(text) });
      say("stdout", "one\n", 10n);
      say("stderr", "two\n", 20n);
      say("stdout", "three\n", 30n);
    });
    const logs = async (query: string, version = "1.51") =>
      node.ask("GET", `/v${version}/containers/${ID}/logs?${query}`);
    /** What stands in the frames of short lines. */
    const payloads = (text: string): string[] =>
      text === ""
        ? []
        : [text.slice(8, 8 + text.charCodeAt(7)), ...payloads(text.slice(8 + text.charCodeAt(7)))];
    const framed = (text: string, stream = 1) =>
      `${String.fromCharCode(stream)}\0\0\0\0\0\0${String.fromCharCode(text.length)}${text}`;

    test("are framed, each line with its stream", async () => {
      const answer = await logs("stdout=1&stderr=1");
      expect(answer.headers["content-type"]).toBe("application/vnd.docker.multiplexed-stream");
      expect(answer.text).toBe(framed("one\n") + framed("two\n", 2) + framed("three\n"));
    });

    test.each([
      ["stdout=1", "one\n three\n"],
      ["stderr=true", "two\n"],
      ["stdout=1&tail=1", "three\n"],
      ["stdout=1&tail=0", ""],
      ["stdout=1&tail=all", "one\n three\n"],
      ["stdout=1&stderr=1&since=20", "two\n three\n"],
      ["stdout=1&stderr=1&since=0&until=20.5", "one\n two\n"],
      ["stdout=1&until=1970-01-01T00:00:10Z", "one\n"],
      ["stdout=1&tail=1&timestamps=1", "1970-01-01T00:00:30.000000000Z three\n"],
    ])("%s gives what it asks for", async (query, wanted) => {
      const text = payloads((await logs(query)).text).join(" ");
      expect(text).toBe(wanted);
    });

    test("of a terminal are raw", async () => {
      const { config } = await node.backends.containers.get(ID);
      node.backends.containers.put(
        aContainerInfo({ id: ID, name: "web.1.x", config: { ...config, tty: true } }),
      );
      const answer = await logs("stdout=1");
      expect(answer.headers["content-type"]).toBe("application/vnd.docker.raw-stream");
      expect(answer.text).toBe("one\nthree\n");
    });

    test("need a stream, and times that are times", async () => {
      expect(refusal(await logs(""))).toEqual([400, "Bad parameters: you must choose at least one stream"]);
      expect(refusal(await logs("stdout=1&since=dawn"))).toEqual([
        400,
        'invalid value for "since": dawn is no time',
      ]);
    });

    test("stop being read when a follower leaves", async () => {
      const socket = await node.connect();
      socket.write(`GET /containers/${ID}/logs?follow=1&stdout=1&tail=1 HTTP/1.1\r\nHost: x\r\n\r\n`);
      await new Promise((resolve) => socket.once("data", resolve));
      while (node.backends.containers.followersOf(ID) === 0)
        await new Promise((resolve) => setImmediate(resolve));
      socket.destroy();
      while (node.backends.containers.followersOf(ID) > 0)
        await new Promise((resolve) => setImmediate(resolve));
    });
  });
});

describe("images", () => {
  test("are found by names with slashes", async () => {
    node.backends.images.put(
      anImage({ id: `sha256:${"5".repeat(64)}`, repoTags: ["mine.test:5000/a/b/json:1"] }),
    );
    expect(await node.get("/images/mine.test:5000/a/b/json:1/json")).toMatchObject({
      Id: `sha256:${"5".repeat(64)}`,
    });
    expect(await node.get("/images/mine.test:5000%2Fa%2Fb%2Fjson:1/json")).toMatchObject({
      Architecture: "amd64",
    });
    expect(refusal(await node.ask("GET", "/images/a/b:1/json"))).toEqual([404, "No such image: a/b:1"]);
  });

  test("tell their history, newest first, with the size of each layer", async () => {
    expect(await node.get("/images/redis:3.2/history")).toEqual([
      {
        Id: anImage().id,
        Created: 1689984000,
        CreatedBy: "CMD redis-server",
        Size: 0,
        Comment: "",
        Tags: ["redis:3.2"],
      },
      {
        Id: "<missing>",
        Created: 1689897600,
        CreatedBy: "COPY files",
        Size: 76_000_000,
        Comment: "base",
        Tags: null,
      },
    ]);
  });

  test("are pulled with the client's credentials and told of line by line", async () => {
    const step = { id: "aaa", status: "Downloading", current: 5, total: 10 };
    node.backends.images.publish("redis:7", {
      image: anImage({ id: `sha256:${"7".repeat(64)}`, repoTags: ["redis:7"] }),
      steps: [{ id: "7", status: "Pulling from library/redis" }, step, { id: "", status: "Status: done" }],
    });
    const auth = Buffer.from('{"username":"u"}').toString("base64url");
    const answer = await node.ask("POST", "/images/create?fromImage=redis&tag=7", {
      headers: { "x-registry-auth": auth },
    });
    expect(lines(answer)).toEqual([
      { status: "Pulling from library/redis", progressDetail: {}, id: "7" },
      { status: "Downloading", progressDetail: { current: 5, total: 10 }, id: "aaa" },
      { status: "Status: done", progressDetail: {} },
    ]);
    expect(node.backends.images.lastAuth).toBe(auth);
    expect(await node.get("/images/redis:7/json")).toMatchObject({ RepoTags: ["redis:7"] });
  });

  test("that cannot be pulled: a status before the first word, an error line after it", async () => {
    expect(refusal(await node.ask("POST", "/images/create?fromImage=nowhere&tag=1"))).toEqual([
      404,
      expect.stringContaining("pull access denied for nowhere:1"),
    ]);
    node.backends.images.publish("broken:1", {
      image: anImage(),
      steps: [{ id: "1", status: "Pulling from library/broken" }],
      fault: new Fault("unavailable", "the registry went away"),
    });
    const late = await node.ask("POST", "/images/create?fromImage=broken&tag=1");
    expect([late.status, lines(late).at(-1)]).toEqual([
      200,
      { errorDetail: { message: "the registry went away" }, error: "the registry went away" },
    ]);
    const archive = await node.ask("POST", "/images/create?fromSrc=-");
    expect(refusal(archive)).toEqual([501, expect.stringContaining("docker import")]);
  });

  test("are loaded from a body of any size", async () => {
    const answer = await node.ask("POST", "/images/load?quiet=1", {
      body: Buffer.alloc(20 << 20),
      headers: { "content-type": "application/x-tar" },
    });
    expect(lines(answer)).toEqual([{ stream: `Loaded image: loaded:${20 << 20}\n` }]);
    expect((await node.ask("POST", "/images/load")).status).toBe(400);
  });

  test("are tagged and removed", async () => {
    expect((await node.ask("POST", "/images/redis:3.2/tag?repo=mine/cache&tag=1")).status).toBe(201);
    expect(await node.get(`/images/json?${filters({ reference: ["mine/cache"] })}`)).toMatchObject([
      { RepoTags: ["mine/cache:1"] },
    ]);
    const removed = await node.ask("DELETE", "/images/mine/cache:1?force=0&noprune=0");
    expect(JSON.parse(removed.text)).toEqual([{ Untagged: "mine/cache:1" }]);
    expect(refusal(await node.ask("DELETE", "/images/mine/cache:1"))).toEqual([
      404,
      "No such image: mine/cache:1",
    ]);
  });

  test("are looked up in their registry", async () => {
    node.backends.images.publish("mine.test/a/b:1", { image: anImage(), steps: [] });
    expect(await node.get("/distribution/mine.test/a/b:1/json")).toEqual({
      Descriptor: {
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest: anImage().target,
        size: 1234,
      },
      Platforms: [{ architecture: "amd64", os: "linux" }],
    });
  });
});

describe("volumes", () => {
  test("are made once, found by filters, and kept while in use", async () => {
    const make = (body: object) => node.ask("POST", "/volumes/create", { body });
    const made = await make({ Name: "db", Labels: { app: "vote" }, DriverOpts: {} });
    expect([made.status, JSON.parse(made.text)]).toEqual([
      201,
      {
        CreatedAt: "2023-11-14T22:13:20Z",
        Driver: "local",
        Labels: { app: "vote" },
        Mountpoint: "/var/lib/shoal/volumes/db/_data",
        Name: "db",
        Options: null,
        Scope: "local",
      },
    ]);
    await clock.advance(60_000);
    expect(JSON.parse((await make({ Name: "db" })).text).CreatedAt).toBe("2023-11-14T22:13:20Z");
    expect(JSON.parse((await make({})).text).Name).toMatch(/^[0-9a-f]{64}$/);
    const mount = { type: "volume", name: "db", source: "/v", target: "/d", readOnly: false } as const;
    node.backends.containers.put(aContainerInfo({ id: ID, name: "web.1.x", mounts: [mount] }));
    const found = async (wanted: object) => {
      const { Volumes } = (await node.get(`/volumes?${filters(wanted)}`)) as { Volumes: { Name: string }[] };
      return Volumes.map(({ Name }) => Name.slice(0, 4));
    };
    expect(await found({})).toEqual(["db", "aaaa"]);
    expect(await found({ dangling: ["true"] })).toEqual(["aaaa"]);
    expect(await found({ dangling: ["false"] })).toEqual(["db"]);
    expect(await found({ label: ["app=vote"] })).toEqual(["db"]);
    expect(await found({ name: ["d"], driver: ["local"] })).toEqual(["db"]);
    expect(await found({ driver: ["nfs"] })).toEqual([]);
    node.backends.volumes.users.set("db", ID);
    expect(refusal(await node.ask("DELETE", "/volumes/db"))).toEqual([
      409,
      `remove db: volume is in use - [${ID}]`,
    ]);
    node.backends.volumes.users.clear();
    expect((await node.ask("DELETE", "/volumes/db")).status).toBe(204);
    expect(refusal(await node.ask("GET", "/volumes/db"))).toEqual([404, "get db: no such volume"]);
    expect((await node.ask("DELETE", "/volumes/db?force=1")).status).toBe(204);
  });
});
